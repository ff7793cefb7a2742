"""The description of the API: valid OpenAPI 3.1, and true of real answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from audiosocket_cli.web.openapi import description
from support.web import Stream, Web, calling, recorded, running


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with running("--record", tmp_path_factory.mktemp("web") / "calls", "--echo") as started:
        yield started


def check(value: Any, schema: dict[str, Any]) -> None:
    """Check a value by a schema, which may name others of the description."""
    jsonschema.Draft202012Validator({**schema, "components": description()["components"]}).validate(value)


def schema_of(path: str, method: str = "get", status: str = "200") -> dict[str, Any]:
    schema: dict[str, Any] = description()["paths"][path][method]["responses"][status]["content"]["application/json"][
        "schema"
    ]
    return schema


def test_it_is_valid_and_served(web: Web) -> None:
    told = web.ask("/api/openapi.json").json
    told.pop("schema", None)
    OpenAPIV31SpecValidator(told).validate()
    assert told == description()


def test_every_path_is_answered(web: Web) -> None:
    for path, operations in description()["paths"].items():
        for method in operations.keys() - {"parameters"}:
            if path == "/api/events":
                with Stream(web) as stream:
                    assert stream.status == 200
                continue
            asked = path.replace("{call}", "0-77").replace("{file}", "x.wav")
            answer = web.ask(asked, method.upper())
            assert str(answer.status) in operations[method]["responses"], (asked, answer)
            assert b"nothing here" not in answer.body


def test_answers_are_as_described(web: Web) -> None:
    call = recorded(web, 1, "1")
    check(web.ask("/api/ended").json, schema_of("/api/ended"))
    check(web.ask(f"/api/ended/{call}").json, schema_of("/api/ended/{call}"))
    check(web.ask("/api/calls/x").json, schema_of("/api/calls/{call}", status="404"))
    with calling(web, 2, "2"):
        told = web.until("/api/calls", lambda told: told["count"] == 1)
        check(told, schema_of("/api/calls"))
        check(web.ask(f"/api/calls/{told['calls'][0]['id']}").json, schema_of("/api/calls/{call}"))
        ended = web.ask(f"/api/calls/{told['calls'][0]['id']}/hangup", "POST").json
        check(ended, schema_of("/api/calls/{call}/hangup", "post"))


def test_a_wrong_answer_would_be_found() -> None:
    with pytest.raises(jsonschema.ValidationError):
        check({"schema": "x", "count": "1", "calls": []}, schema_of("/api/calls"))
