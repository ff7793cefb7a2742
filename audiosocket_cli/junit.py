"""JUnit XML, by the schema of Jenkins' xunit plugin (junit-10.xsd), which other CI systems read as well."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from xml.etree import ElementTree

_FORBIDDEN: Final = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold."""


@dataclass(frozen=True, slots=True)
class JunitCase:
    """One test: it passed unless one of the three has a reason, each in one sentence."""

    name: str
    group: str
    """What it belongs to, with dots: `audiosocket.check.frame`."""
    elapsed_s: float
    failure: str | None = None
    error: str | None = None
    """Why it could not be run."""
    skipped: str | None = None
    kind: str = ""
    """Of a failure or an error."""
    detail: str = ""
    """More about a failure or an error."""
    log: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class JunitSuite:
    """Tests that belong together."""

    name: str
    host: str
    started_at: str
    """As RFC 3339."""
    cases: Sequence[JunitCase]


def suites_xml(name: str, suites: Sequence[JunitSuite]) -> bytes:
    """Return a whole file. What XML cannot hold becomes U+FFFD."""
    root = ElementTree.Element("testsuites", name=name)
    root.extend(_suite(suite) for suite in suites)
    ElementTree.indent(root)
    xml: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return xml + b"\n"


def _suite(suite: JunitSuite) -> ElementTree.Element:
    cases = suite.cases
    failures, errors, skipped = (
        sum(getattr(case, what) is not None for case in cases) for what in ("failure", "error", "skipped")
    )
    element = ElementTree.Element(
        "testsuite", name=suite.name, tests=str(len(cases)), failures=str(failures), errors=str(errors),
        skipped=str(skipped), time=f"{sum(case.elapsed_s for case in cases):.3f}", timestamp=suite.started_at[:19],
        hostname=_clean(suite.host),
    )  # fmt: skip
    element.extend(map(_case, cases))
    return element


def _case(case: JunitCase) -> ElementTree.Element:
    element = ElementTree.Element(
        "testcase", name=_clean(case.name), classname=_clean(case.group), time=f"{case.elapsed_s:.3f}"
    )
    for name, message in (("failure", case.failure), ("error", case.error)):
        if message is not None:
            found = ElementTree.SubElement(element, name, type=case.kind, message=_clean(message))
            found.text = _clean(case.detail)
    if case.skipped is not None:
        ElementTree.SubElement(element, "skipped", message=_clean(case.skipped))
    if case.log:
        ElementTree.SubElement(element, "system-out").text = _clean("\n".join(case.log))
    return element


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
