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
    ("error", "fault", "line"),
    [
        (GenericError(answered("503 Service Unavailable", "<Error><Code>SlowDown</Code></Error>")), StoreFault.AWAY,
         f"{URL}: the store answered 503 SlowDown"),
        (GenericError(answered("500 Internal Server Error", "")), StoreFault.AWAY,
         f"{URL}: the store answered 500 Internal Server Error"),
        (GenericError(answered("429 Too Many Requests", "")), StoreFault.AWAY,
         f"{URL}: the store answered 429 Too Many Requests"),
        (PermissionDeniedError(answered("403 Forbidden", "<Code>SignatureDoesNotMatch</Code><Message>two\nlines "
                                        "\x1b[2J http://x/?sig=SECRET</Message>")), StoreFault.DENIED,
         f"{URL}: the store answered 403 SignatureDoesNotMatch (two lines \\u001b[2J http://x/?…)"),
        (PermissionDeniedError(answered("403 Forbidden", "")), StoreFault.DENIED,
         f"{URL}: the store answered 403 Forbidden: the keys are wrong, or allow too little"),
        (PermissionDeniedError(answered("403 Forbidden", "<Code>RequestTimeTooSkewed</Code>")), StoreFault.AWAY,
         f"{URL}: the store answered 403 RequestTimeTooSkewed"),
        (FileNotFoundError(answered("404 Not Found", "<Code>NoSuchBucket</Code>")), StoreFault.NO_BUCKET,
         f"{URL}: there is no such bucket: 404 NoSuchBucket"),
        (GenericError(answered("404 Not Found", "<Code>ContainerNotFound</Code>")), StoreFault.NO_BUCKET,
         f"{URL}: there is no such bucket: 404 ContainerNotFound"),
        (FileNotFoundError(answered("404 Not Found", "")), StoreFault.MISSING,
         f"{URL}: there is no such object: 404 Not Found"),
        (AlreadyExistsError(answered("412 Precondition Failed", "<Code>PreconditionFailed</Code>")), StoreFault.EXISTS,
         f"{URL}: there is an object of this name already: 412 PreconditionFailed"),
        (GenericError(answered("400 Bad Request", "<Code>KeyTooLongError</Code>")), StoreFault.OTHER,
         f"{URL}: the store answered 400 KeyTooLongError"),
        (GenericError("Generic S3 error: error sending request\n\nDebug source:\nConnectionRefused"), StoreFault.AWAY,
         f"{URL}: the connection is refused"),
        (GenericError("Generic S3 error: HTTP error: request or response body error\n\nDebug source:\nTimedOut"),
         StoreFault.AWAY, f"{URL}: it does not answer in time"),
        (GenericError("Generic S3 error: Error performing PUT http://169.254.169.254/latest/api/token: error sending "
                      "request"), StoreFault.DENIED,
         f"{URL}: there are no keys: set them in the environment, as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        (InvalidPathError('Encountered object with invalid path: Path "a//b" contained empty path segment\n\nDebug '
                          "source:\nInvalidPath"), StoreFault.OTHER,
         (f"{URL}: nothing can be listed beside an object whose name has an empty part, .. or a control character: "
          'name a folder without it (Path "a//b" contained empty path segment)')),
        (ValueError("what\r\never " + "x" * 400), StoreFault.OTHER, f"{URL}: what ever " + "x" * 290 + "…"),
    ],
    ids=["slow-down", "500", "429", "signature", "denied", "clock", "bucket", "container", "missing", "taken", "400",
         "refused", "timeout", "no-keys", "odd-name", "any"],
)  # fmt: skip
def test_an_error_is_one_line_without_secrets(error: Exception, fault: StoreFault, line: str) -> None:
    found = store_error(URL, error)
    assert str(found) == line
    assert found.fault is fault
    assert found.is_away is (fault is StoreFault.AWAY)
    assert "SECRET" not in str(found).replace("AWS_SECRET", "")
