"""Errors of stores: one line that can be shown, without secrets, and whether to try again."""

from __future__ import annotations

import pytest
from obstore.exceptions import AlreadyExistsError, GenericError, InvalidPathError, PermissionDeniedError

from audiosocket_cli.stores.store_error import StoreFault, store_error

URL = "s3://calls/a.wav"


def answered(status: str, body: str) -> str:
    return (
        f"Generic S3 error: Error performing PUT http://store/calls/a.wav?X-Amz-Signature=SECRET in 2ms - Server "
        f"returned non-2xx status code: {status}: {body}\n\nDebug source:\nGeneric {{\n    SECRET\n}}"
    )


@pytest.mark.parametrize(
    ("kind", "status", "body", "fault", "words"),
    [
        (GenericError, "503 Service Unavailable", "<Error><Code>SlowDown</Code></Error>", StoreFault.AWAY,
         "the store answered 503 SlowDown"),
        (GenericError, "500 Internal Server Error", "", StoreFault.AWAY,
         "the store answered 500 Internal Server Error"),
        (GenericError, "429 Too Many Requests", "", StoreFault.AWAY, "the store answered 429 Too Many Requests"),
        (PermissionDeniedError, "403 Forbidden",
         "<Code>SignatureDoesNotMatch</Code><Message>two\nlines \x1b[2J http://x/?sig=SECRET</Message>",
         StoreFault.DENIED, "the store answered 403 SignatureDoesNotMatch (two lines \\u001b[2J http://x/?…)"),
        (PermissionDeniedError, "403 Forbidden", "", StoreFault.DENIED,
         "the store answered 403 Forbidden: the keys are wrong, or allow too little"),
        (PermissionDeniedError, "403 Forbidden", "<Code>RequestTimeTooSkewed</Code>", StoreFault.AWAY,
         "the store answered 403 RequestTimeTooSkewed"),
        (FileNotFoundError, "404 Not Found", "<Code>NoSuchBucket</Code>", StoreFault.NO_BUCKET,
         "there is no such bucket: 404 NoSuchBucket"),
        (GenericError, "404 Not Found", "<Code>ContainerNotFound</Code>", StoreFault.NO_BUCKET,
         "there is no such bucket: 404 ContainerNotFound"),
        (FileNotFoundError, "404 Not Found", "", StoreFault.MISSING, "there is no such object: 404 Not Found"),
        (AlreadyExistsError, "412 Precondition Failed", "<Code>PreconditionFailed</Code>", StoreFault.EXISTS,
         "there is an object of this name already: 412 PreconditionFailed"),
        (GenericError, "400 Bad Request", "<Code>KeyTooLongError</Code>", StoreFault.OTHER,
         "the store answered 400 KeyTooLongError"),
    ],
)  # fmt: skip
def test_an_answer_is_one_line_without_secrets(
    kind: type[Exception], status: str, body: str, fault: StoreFault, words: str
) -> None:
    assert_told(kind(answered(status, body)), fault, words)


@pytest.mark.parametrize(
    ("error", "fault", "words"),
    [
        (GenericError("Generic S3 error: error sending request\n\nDebug source:\nConnectionRefused"), StoreFault.AWAY,
         "the connection is refused"),
        (GenericError("Generic S3 error: HTTP error: request or response body error\n\nDebug source:\nTimedOut"),
         StoreFault.AWAY, "it does not answer in time"),
        (GenericError("Generic S3 error: Error performing PUT http://169.254.169.254/latest/api/token: error sending "
                      "request"), StoreFault.DENIED,
         "there are no keys: set them in the environment, as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        (InvalidPathError('Encountered object with invalid path: Path "a//b" contained empty path segment\n\nDebug '
                          "source:\nInvalidPath"), StoreFault.OTHER,
         ("nothing can be listed beside an object whose name has an empty part, .. or a control character: "
          'name a folder without it (Path "a//b" contained empty path segment)')),
        (ValueError("what\r\never " + "x" * 400), StoreFault.OTHER, "what ever " + "x" * 290 + "…"),
    ],
    ids=["refused", "timeout", "no-keys", "odd-name", "any"],
)  # fmt: skip
def test_a_failure_without_an_answer_is_one_line(error: Exception, fault: StoreFault, words: str) -> None:
    assert_told(error, fault, words)


def assert_told(error: Exception, fault: StoreFault, words: str) -> None:
    found = store_error(URL, error)
    assert str(found) == f"{URL}: {words}"
    assert found.fault is fault
    assert found.is_away is (fault is StoreFault.AWAY)
    assert "SECRET" not in str(found).replace("AWS_SECRET", "")
