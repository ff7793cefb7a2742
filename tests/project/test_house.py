"""The house keeps its order: imports run one way, and heavy libraries live in the rooms that need them."""

from __future__ import annotations

import ast
import functools
import shutil
import subprocess
from pathlib import Path

import pytest

import audiosocket_cli

PACKAGE = Path(audiosocket_cli.__file__).parent
ROOT = PACKAGE.parent

FLOORS = (
    "errors text signals junit",
    "codec quantities libraries name_pattern finding finding_pages",
    "model",
    "asterisk disk write_behind",
    "audio chunks stores",
    "mixed_runs",
    "runs",
    "capture in_thread",
    "analysis websocket",
    "calls_index",
    "outbox",
    "call",
    "net",
    "server bench",
    "check",
    "doctor",
    "calls_analysis",
    "ui",
    "report",
    "web",
    "jobs",
    "commands",
    "cli",
    "entry",
    "__main__ __init__",
)
"""The rooms, from the ground up. A module imports from its own room and from lower floors; two rooms of one floor do
not know each other. The names that `__init__` holds for others are loaded when they are first asked for."""

FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms.split()}

HOMES = {
    "click": {"cli", "commands"},
    "rich": {"ui"},
    "asyncio": {
        "in_thread",
        "websocket",
        "outbox",
        "calls_analysis",
        "call",
        "net",
        "server",
        "bench",
        "check",
        "doctor",
        "web",
    },
    "uvloop": {"net"},
    "prometheus_client": {"server"},
    "numpy": {
        "audio",
        "chunks",
        "mixed_runs",
        "runs",
        "capture",
        "analysis",
        "call",
        "bench",
        "doctor",
        "report",
        "calls_analysis",
    },
    "sounddevice": {"libraries", "audio"},
    "soundfile": {"libraries", "audio"},
    "soxr": {"libraries", "audio", "call"},
    "socket": {"capture", "in_thread", "websocket", "outbox", "call", "net", "server", "check", "doctor"},
    "locust": {"bench"},
    "gevent": {"bench"},
    "sqlite3": {"calls_index", "calls_analysis", "outbox"},
    "obstore": {"stores"},
    "duckdb": {"calls_index"},
    "distributed": {"calls_analysis"},
    "starlette": {"web"},
    "uvicorn": {"web"},
    "websockets": {"websocket"},
}

MODULES = sorted(path for path in PACKAGE.rglob("*.py") if PACKAGE / "docs" not in path.parents)

TESTS = ROOT / "tests"

TESTED_AS_PART_OF = {
    "asterisk/dialplan/plan.py": "asterisk/dialplan/test_writing.py",
    "asterisk/dialplan_check/complaint.py": "asterisk/dialplan_check/test_judging.py",
    "asterisk/dialplan_check/dialplan.py": "asterisk/dialplan_check/test_reading.py",
    "asterisk/dialplan_check/righting.py": "asterisk/dialplan_check/test_judging.py",
    "asterisk/dialplan_check/values.py": "asterisk/dialplan_check/test_uuids.py",
    "bench/locust_callers.py": "bench/test_locust.py",
    "bench/locust_load.py": "bench/test_locust.py",
    "bench/locust_verdict.py": "bench/test_locust.py",
    "bench/placing.py": "bench/test_generator.py",
    "bench/processes.py": "commands/test_bench.py",
    **{f"check/cases/{path.name}": "check/test_faults.py" for path in PACKAGE.glob("check/cases/[a-z]*.py")},
    "doctor/log/log_causes.py": "doctor/log/test_log.py",
    "doctor/log/log_findings.py": "doctor/log/test_log.py",
    "calls_analysis/attempt.py": "calls_analysis/test_measure.py",
    "calls_analysis/columns.py": "calls_analysis/test_measure.py",
    "calls_analysis/ledger_tables.py": "calls_analysis/test_ledger.py",
    "calls_analysis/process.py": "calls_analysis/test_here.py",
    "outbox/waiting.py": "outbox/test_spool.py",
    "outbox/spool_tables.py": "outbox/test_spool.py",
    "outbox/bus.py": "outbox/test_event_sender.py",
    "call/sending_events.py": "call/test_events.py",
    "calls_index/bucket_scan.py": "calls_index/test_bucket_place.py",
    "calls_index/cache_folder.py": "calls_index/test_bucket_place.py",
    "calls_index/columns.py": "calls_index/test_index.py",
    "calls_index/filling.py": "calls_index/test_index.py",
    "calls_index/folder_place.py": "calls_index/test_index.py",
    "calls_index/object_reader.py": "calls_index/test_bucket_place.py",
    "calls_index/place.py": "calls_index/test_bucket_place.py",
    "calls_index/sorts.py": "calls_index/test_places.py",
    "calls_index/totals.py": "calls_index/test_places.py",
    "call/bots/bridge_dialect.py": "call/bots/test_bridge_twilio.py",
    "call/bots/bridge_dialling.py": "call/bots/test_bridge.py",
    "call/bots/child.py": "call/bots/test_program.py",
    "call/bots/error_log.py": "call/bots/test_program.py",
    "call/bots/lifetime.py": "call/bots/test_program.py",
    "call/deferred.py": "call/test_driver.py",
    "call/faults/drawn_fault.py": "call/faults/test_fault_plan.py",
    "call/lane.py": "call/test_relay.py",
    "call/live_call.py": "call/test_memory.py",
    "call/overhearing.py": "call/test_relay.py",
    "call/passing.py": "call/test_relay.py",
    "call/reader.py": "call/test_turns.py",
    "call/receiver.py": "call/test_session.py",
    "call/relay_driver.py": "commands/test_proxy.py",
    "call/relayed_call.py": "commands/test_proxy.py",
    "call/recording/mixer.py": "call/recording/test_track.py",
    "call/sender.py": "call/test_session.py",
    "call/session_call.py": "call/bots/test_bot.py",
    "call/tap_queue.py": "call/test_session.py",
    "call/sources/actions.py": "call/sources/test_replay.py",
    "call/taps/stats.py": "analysis/test_drift.py",
    "call/taps/tap.py": "call/taps/test_capturing.py",
    "call/sources/speech_notes.py": "call/sources/test_prompts.py",
    "capture/call_items.py": "capture/test_connection.py",
    "capture/joining.py": "capture/test_copies.py",
    "check/trial.py": "check/test_faults.py",
    "commands/bridge_options.py": "commands/test_serve_bridge.py",
    "commands/api_options.py": "server/test_api.py",
    "commands/bot_options.py": "commands/test_serve_bot.py",
    "commands/own_server.py": "commands/test_check.py",
    "commands/server_options.py": "commands/test_serve.py",
    "commands/values.py": "commands/test_completion.py",
    "doctor/pbx/asterisk_looks.py": "commands/test_doctor.py",
    "doctor/look.py": "ui/test_doctor_report.py",
    "jobs/answering.py": "jobs/test_outcome.py",
    "jobs/bridge.py": "commands/test_serve_bridge.py",
    "jobs/bench.py": "commands/test_bench.py",
    "jobs/calls.py": "commands/test_calls.py",
    "jobs/calls_analyze.py": "commands/test_calls_analyze.py",
    "jobs/check.py": "commands/test_check.py",
    "jobs/check_report.py": "commands/test_check_report.py",
    "jobs/dialplan.py": "commands/test_dialplan.py",
    "jobs/doctor.py": "commands/test_doctor.py",
    "jobs/inject_dtmf.py": "commands/test_inject_dtmf.py",
    "jobs/outputs.py": "jobs/test_outcome.py",
    "jobs/own_server.py": "commands/test_check.py",
    "jobs/proxy.py": "commands/test_proxy.py",
    "jobs/record.py": "commands/test_record.py",
    "jobs/replay_suite.py": "commands/test_replay_suite.py",
    "jobs/report.py": "commands/test_report.py",
    "jobs/reports.py": "commands/test_check_report.py",
    "commands/outbox_options.py": "jobs/test_sending.py",
    "commands/upload.py": "jobs/test_sending.py",
    "jobs/sending_life.py": "jobs/test_sending.py",
    "jobs/upload.py": "jobs/test_sending.py",
    "name_pattern.py": "outbox/test_reconcile.py",
    "jobs/serve.py": "commands/test_serve.py",
    "jobs/talk.py": "commands/test_talk.py",
    "net/loop.py": "test_signals.py",
    "outbox/call_upload.py": "outbox/test_uploads.py",
    "stores/object_info.py": "stores/test_store.py",
    "server/after_calls.py": "server/test_hooks.py",
    "server/call_news.py": "server/test_api.py",
    "commands/web_options.py": "web/test_begin.py",
    "web/answers.py": "web/test_openapi.py",
    "web/app.py": "web/test_gatekeeper.py",
    "web/archive_process.py": "web/test_ended_calls.py",
    "web/call_page.py": "web/test_ended_calls.py",
    "web/pages.py": "web/test_in_a_browser.py",
    "server/calls.py": "server/test_server.py",
    "server/common.py": "server/test_server.py",
    "server/intake.py": "server/test_refusals.py",
    "server/gate.py": "server/test_relaying.py",
    "server/listened_call.py": "server/test_watching.py",
    "server/listening.py": "server/test_watching.py",
    "server/mirroring.py": "commands/test_proxy_mirror.py",
    "server/proxied.py": "net/test_proxy_protocol.py",
    "server/service.py": "server/test_systemd.py",
    "server/worker.py": "server/test_workers.py",
    "server/worker_process.py": "server/test_workers.py",
    "report/bench_tables.py": "report/test_bench_page.py",
    "report/bench_verdict.py": "report/test_bench_page.py",
    "report/bench_words.py": "report/test_bench_page.py",
    "ui/check_report.py": "commands/test_check.py",
    "ui/capture_rows.py": "analysis/test_call_review.py",
    "ui/dump_notes.py": "commands/test_dump.py",
    "ui/dump_sinks.py": "commands/test_dump.py",
    "ui/event_text.py": "ui/test_event_log.py",
    "ui/live_line.py": "commands/test_check.py",
    "ui/pages.py": "commands/test_help.py",
    "ui/results.py": "commands/test_play.py",
    "ui/talk_report.py": "commands/test_talk.py",
}
"""Files without a test of their name: what they do shows in a whole only, which this file tests."""

RUNS_COMMANDS = "support.running"
"""Who imports this runs the command, and so whatever is in the package."""


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


@functools.cache
def imports_of(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names |= {f"{node.module}.{alias.name}" if node.module == "audiosocket_cli" else str(node.module)
                      for alias in node.names}  # fmt: skip
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_one_way(path: Path) -> None:
    room = room_of(path)
    for name in imports_of(path):
        if name.startswith("audiosocket_cli."):
            other = name.split(".")[1]
            if other in FLOOR_OF and other != room:
                assert FLOOR_OF[other] < FLOOR_OF[room], f"{room} imports {name}"


def test_all_rooms_are_on_the_plan() -> None:
    assert {room_of(path) for path in MODULES} == set(FLOOR_OF)


def test_files_import_each_other_in_no_circle() -> None:
    """Not even for types alone: who needs the other's types belongs into one file, or below it."""
    paths = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in MODULES}
    imports = {name: modules_in(path, paths) - {name} for name, path in paths.items()}
    del imports["audiosocket_cli"]  # whose names are loaded when they are first asked for
    while leaves := {name for name, others in imports.items() if not others & imports.keys()}:
        for name in leaves:
            del imports[name]
    assert not imports, f"in a circle, or above one: {sorted(imports)}"


def modules_in(path: Path, known: dict[str, Path]) -> set[str]:
    """The modules of ours that a file imports from, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in known else str(node.module))
    return found & known.keys()


def test_the_picture_of_the_house_shows_its_rooms() -> None:
    picture = audiosocket_cli.__doc__ or ""
    rooms = {
        line.split()[0].rstrip("/") for line in picture.splitlines() if line.startswith("    ") and "  " in line.strip()
    }
    shown = {room for room in FLOOR_OF if not room.startswith("__")}
    assert rooms == shown


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_libraries_live_in_their_rooms(path: Path) -> None:
    for name in imports_of(path):
        homes = HOMES.get(name.split(".")[0])
        assert homes is None or room_of(path) in homes, f"{room_of(path)} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_each_module_says_what_lives_there(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_each_file_has_a_test_of_its_name(path: Path) -> None:
    source = path.relative_to(PACKAGE)
    if source.name.startswith("__"):
        return
    of_its_name = source.with_name(f"test_{source.name}")
    other = TESTED_AS_PART_OF.get(str(source))
    has_own = (TESTS / of_its_name).exists()
    assert has_own or other is not None, f"write tests/{of_its_name}"
    assert other is None or not has_own, f"tests/{of_its_name} is there: take {source} out of the table"
    tested = reached_by(TESTS / (other or of_its_name))
    assert tested is None or path in tested, f"tests/{other or of_its_name} does not use {source}"


def test_the_table_of_files_without_a_test_of_their_name_holds_files() -> None:
    names = {str(path.relative_to(PACKAGE)) for path in MODULES}
    assert TESTED_AS_PART_OF.keys() <= names


@functools.cache
def reached_by(test: Path) -> set[Path] | None:
    """The files of the package that a test imports, and those that they import; None where it runs commands."""
    found: set[Path] = set()
    todo = [test]
    while todo:
        names = imported_names(todo.pop())
        if RUNS_COMMANDS in names:
            return None
        for name in names:
            folder = PACKAGE.parent if name.startswith("audiosocket_cli") else TESTS
            path = folder.joinpath(*name.split(".")).with_suffix(".py")
            if path not in found and path.is_file():
                found.add(path)
                todo.append(path)
    return found


@functools.cache
def imported_names(path: Path) -> set[str]:
    """The modules that a file imports, wherever in it; of names from one, also as modules in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_the_top_level_holds_nothing_else() -> None:
    """Names with a dot are for tools. Without git we see what is there, which may be a user's own."""
    if (ROOT / ".git").exists() and shutil.which("git"):
        listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
        top = {name.split("/")[0] for name in listed.stdout.splitlines()}
    else:
        top = {path.name for path in ROOT.iterdir()}
    expected = {"pyproject.toml", "README.md", "LICENSE", "audiosocket_cli", "tests", "scripts"}
    assert {name for name in top if not name.startswith(".")} - {"calls", "findings"} == expected
