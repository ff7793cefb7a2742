"""Lines that hand a call to AudioSocket: what is wrong with each by our rules, and what a real Asterisk says of it."""

from __future__ import annotations

from dataclasses import dataclass

NEW = "${UUID()}"

SERVER = "127.0.0.1:9092"


@dataclass(frozen=True)
class PlanCase:
    """One application after an Answer(), on a channel that Asterisk answered."""

    name: str
    line: str
    """The application; SERVER in it is a server that answers."""
    ids: tuple[str, ...] = ()
    """What is found, apart from what says that all is right."""
    cured: str = ""
    """The application to write, where one is told."""
    logged: str = ""
    """Words of what 22.10 logs when it runs the line."""
    dialled: str = ""
    """The DIALSTATUS after it."""


def app(call: str = NEW, server: str = SERVER) -> str:
    return f"AudioSocket({call},{server})"


def dial(server: str = SERVER, call: str = NEW, rest: str = "/c(slin),,g") -> str:
    return f"Dial(AudioSocket/{server}/{call}{rest})"


FIXED = "6d0b2f3c-9a51-4c1e-8f53-2f7f0c5d9e11"

CASES = (
    PlanCase("app", app()),
    PlanCase("app-in-lower-case", f"audiosocket({NEW},{SERVER})"),
    PlanCase("app-quoted", f'AudioSocket("{NEW}",{SERVER})'),
    PlanCase("app-tried", f"TryExec({app()})"),
    PlanCase("channel", dial(), dialled="ANSWER"),
    PlanCase("channel-16", dial(rest="/c(slin16),30,tg"), dialled="ANSWER"),
    PlanCase("channel-in-capitals", dial(rest="/c(SLIN16),,g"), dialled="ANSWER"),
    PlanCase("fixed", app(FIXED), ("uuid-fixed",), app()),
    PlanCase("example", app("40325ec2-5efd-4bd3-805f-53576e581d13"), ("uuid-example",), app()),
    PlanCase("zeros", app("00000000-0000-0000-0000-000000000000"), ("uuid-fixed",), app()),
    PlanCase("no-dashes", app(FIXED.replace("-", "")), ("uuid-malformed",), app(), f"UUID '{FIXED.replace('-', '')}'"),
    PlanCase("braces", app(f"{{{FIXED}}}"), ("uuid-malformed",), app(), f"UUID '{{{FIXED}}}'"),
    PlanCase("space-before-uuid", app(f" {FIXED}"), ("uuid-malformed",), app(), f"UUID ' {FIXED}'"),
    PlanCase("channel-number", app("${UNIQUEID}"), ("uuid-malformed",), app(), "Failed to parse UUID '1"),
    PlanCase("call-without-braces", app("UUID()"), ("uuid-malformed",), app(), "UUID 'UUID()'"),
    PlanCase("other-function", app("${uuid()}"), ("uuid-malformed",), app(), "UUID is required"),
    PlanCase("bar", f"AudioSocket({NEW}|{SERVER})", ("no-server", "uuid-malformed"), "", f"|{SERVER}'"),
    PlanCase("variable-without-value", app("${UUID}"), ("uuid-unset",), app(), "UUID is required"),
    PlanCase("nothing", "AudioSocket()", ("no-server", "uuid-malformed"), app(), "UUID is required"),
    PlanCase("no-server", f"AudioSocket({FIXED})", ("no-server", "uuid-fixed"), app(), "No AudioSocket server"),
    PlanCase(
        "swapped", app("127.0.0.2:9092", NEW), ("arguments-swapped",), app(server="127.0.0.2:9092"), "'127.0.0.2:9092'"
    ),
    PlanCase("in-two", app("127.0.0.3", "9092"), ("arguments-swapped",), app(server="127.0.0.3:9092"), "'127.0.0.3'"),
    PlanCase("no-port", app(server="127.0.0.4"), ("no-port",), app(server="127.0.0.4:9092"), "using '127.0.0.4'"),
    PlanCase(
        "no-brackets", app(server="::1:9092"), ("address-without-brackets",), app(server="[::1]:9092"), "'::1:9092'"
    ),
    PlanCase(
        "port-0", app(server="127.0.0.5:0"), ("port-out-of-range",), app(server="127.0.0.5:9092"), "for '127.0.0.5:0'"
    ),
    PlanCase(
        "port-99999",
        app(server="127.0.0.6:99999"),
        ("port-out-of-range",),
        app(server="127.0.0.6:9092"),
        "127.0.0.6:34463",
    ),
    PlanCase(
        "url",
        app(server="tcp://127.0.0.7:9092"),
        ("address-malformed",),
        app(server="127.0.0.7:9092"),
        "'tcp://127.0.0.7:9092'",
    ),
    PlanCase(
        "path",
        app(server="127.0.0.8:9092/call"),
        ("address-malformed",),
        app(server="127.0.0.8:9092"),
        "'127.0.0.8:9092/call'",
    ),
    PlanCase(
        "space-before-host",
        app(server=" 127.0.0.9:9092"),
        ("address-malformed",),
        app(server="127.0.0.9:9092"),
        "' 127.0.0.9:9092'",
    ),
    PlanCase(
        "codec-of-app",
        f"AudioSocket({NEW},127.0.0.10:9092,c(slin16))",
        ("form-mixed-up",),
        app(server="127.0.0.10:9092"),
        "'127.0.0.10:9092,c(slin16)'",
    ),
    PlanCase("dialled-app", f"Dial(AudioSocket({NEW},{SERVER}),,g)", ("form-mixed-up",), dial(), dialled="INVALIDARGS"),
    PlanCase(
        "dialled-with-comma",
        f"Dial(AudioSocket/{FIXED},{SERVER})",
        ("form-mixed-up",),
        "",
        f"'{FIXED}' could not",
        "CHANUNAVAIL",
    ),
    PlanCase(
        "dialled-swapped",
        dial(NEW, "127.0.0.11:9092"),
        ("arguments-swapped",),
        dial("127.0.0.11:9092"),
        dialled="CHANUNAVAIL",
    ),
    PlanCase("no-codec", dial(rest=",,g"), ("no-codec",), dial(), dialled="ANSWER"),
    PlanCase("empty-codec", dial(rest="/c(),,g"), ("no-codec",), dial(), dialled="ANSWER"),
    PlanCase("codec-alone", dial(rest="/slin16,,g"), ("no-codec",), dial(rest="/c(slin16),,g"), dialled="ANSWER"),
    PlanCase("ulaw", dial(rest="/c(ulaw),,g"), ("codec-without-kind",), dial(), dialled="ANSWER"),
    PlanCase("g722", dial(rest="/c(g722),,g"), ("codec-without-kind",), dial(rest="/c(slin16),,g"), dialled="ANSWER"),
    PlanCase(
        "unknown-codec", dial(rest="/c(slin8),,g"), ("unknown-codec",), dial(), "Codec 'slin8' not found", "CHANUNAVAIL"
    ),
    PlanCase(
        "space-before-codec",
        dial(rest="/c( slin16),,g"),
        ("unknown-codec",),
        dial(rest="/c(slin16),,g"),
        "Codec ' slin16'",
        "CHANUNAVAIL",
    ),
    PlanCase(
        "two-codecs",
        dial(rest="/c(slin16&slin),,g"),
        ("many-codecs",),
        dial(rest="/c(slin16),,g"),
        "options 'c(slin16'",
        "INVALIDARGS",
    ),
    PlanCase(
        "codecs-by-comma", dial(rest="/c(slin,ulaw),,g"), ("many-codecs",), dial(), "Codec 'slin,ulaw'", "CHANUNAVAIL"
    ),
    PlanCase(
        "both-servers",
        f"Dial(AudioSocket/{SERVER}/{NEW}/c(slin)&AudioSocket/{SERVER}/{NEW}/c(slin),,g)",
        ("dial-forks",),
        dial(),
        dialled="ANSWER",
    ),
)
"""Seen with 22.10, and shown again by tests/system/test_plan_rules.py."""
