"""The files for containers: linted, held against each other and `serve`; and what they start is started as they do."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from audiosocket_cli.quantities import parse_duration
from support.contained import CALLS, HOME, USER, Container
from support.pages import EXAMPLES
from support.peers import FRAME, free_port, get, opening, read_to_end
from support.running import stat_of, wait_until

FILE = EXAMPLES["Containerfile"]
MANIFESTS: list[dict[str, Any]] = list(yaml.safe_load_all(EXAMPLES["kubernetes.yaml"]))
POD: dict[str, Any] = next(each for each in MANIFESTS if each["kind"] == "StatefulSet")["spec"]["template"]["spec"]
SERVER: dict[str, Any] = POD["containers"][0]
ENTRY: list[str] = json.loads(re.findall(r"^ENTRYPOINT (.*)", FILE, re.MULTILINE)[0])
COMMAND: list[str] = json.loads(re.findall(r"^CMD (.*)", FILE, re.MULTILINE)[0])


@pytest.fixture(scope="module")
def container(tmp_path_factory: pytest.TempPathFactory) -> Container:
    return Container(tmp_path_factory.mktemp("container"))


def test_a_linter_has_nothing_to_say_of_the_containerfile(tmp_path: Path) -> None:
    path = tmp_path / "Containerfile"
    path.write_text(FILE)
    hadolint = Path(sys.executable).parent / "hadolint"
    done = subprocess.run([hadolint, path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    path.write_text(FILE.replace("USER 10001:10001", "USER root"))
    done = subprocess.run([hadolint, path], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "DL3002" in done.stdout  # the last user should not be root


@pytest.mark.parametrize("release", ["1.27", "1.37"])
def test_kubernetes_knows_each_field_of_the_manifests(release: str) -> None:
    assert len(MANIFESTS) == 4
    for manifest in MANIFESTS:
        kubernetes_validate.validate(manifest, release, strict=True)
    wrong = {**MANIFESTS[0], "spec": {**MANIFESTS[0]["spec"], "clusterIp": "None"}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, release, strict=True)


def test_a_pod_may_do_no_more_than_the_restricted_standard_allows() -> None:
    assert POD["securityContext"]["runAsNonRoot"] is True
    assert POD["securityContext"]["runAsUser"] == POD["securityContext"]["fsGroup"] == USER
    assert f"\nUSER {USER}:{USER}\n" in FILE
    assert POD["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert SERVER["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    assert POD["automountServiceAccountToken"] is False


def test_a_pod_is_given_the_time_that_its_drain_takes() -> None:
    options = dict(word.removeprefix("--").split("=") for word in SERVER["args"][1:])
    drain_s, delay_s = parse_duration(options["drain"]), parse_duration(options["drain-delay"])
    hangup_s, spool_s = 30, 30
    assert POD["terminationGracePeriodSeconds"] >= drain_s + delay_s + hangup_s + spool_s
    readiness = SERVER["readinessProbe"]
    seen_s = readiness["failureThreshold"] * (readiness["periodSeconds"] + readiness["timeoutSeconds"])
    assert delay_s > seen_s
    assert [SERVER[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "readiness", "liveness")] == [
        "/healthz", "/healthz", "/livez",
    ]  # fmt: skip
    ports = {port["name"]: port["containerPort"] for port in SERVER["ports"]}
    assert (options["listen"], options["health"]) == (f":{ports['audiosocket']}", f":{ports['health']}")
    assert options["record"].startswith(SERVER["volumeMounts"][0]["mountPath"])
    assert f"EXPOSE {ports['audiosocket']} {ports['health']}" in FILE


@pytest.mark.parametrize("more", [(), ("--workers", "2")], ids=["alone", "workers"])
def test_the_image_needs_no_root_no_shell_and_no_place_but_its_volume(
    container: Container, more: tuple[str, ...]
) -> None:
    assert " ".join(ENTRY) == f"{HOME}/bin/audiosocket"
    port, health = free_port(), free_port()
    here = {":9092": f"127.0.0.1:{port}", ":9465": f"127.0.0.1:{health}", "15s": "3s"}
    words = [here.get(word, word) for word in COMMAND]
    assert [*words].count(str(CALLS)) == 1
    assert not [path for path in container.root.rglob("*sh") if path.name in ("sh", "dash", "bash")]
    with container.running(*ENTRY, *words, *more) as (process, pid):
        status = Path(f"/proc/{pid}/status").read_text()
        assert re.search(rf"^Uid:\s+{USER}\s+{USER}\s+{USER}", status, re.MULTILINE)
        assert re.search(r"^NSpid:\s+\d+\s+1$", status, re.MULTILINE)
        assert re.search(r"^CapEff:\s+0+$", status, re.MULTILINE)
        wait_until(lambda: get(health) == (200, "ready\n"), "it is ready")
        name, first = opening(7 + len(more))
        with socket.create_connection(("127.0.0.1", port), timeout=60) as peer:
            peer.sendall(first + FRAME * 5)
            assert peer.recv(1, socket.MSG_PEEK)
            os.kill(pid, signal.SIGTERM)
            wait_until(lambda: get(health) == (503, "draining\n"), "it drains")
            assert get(health, "/livez") == (200, "lives\n")
            peer.sendall(FRAME * 5)
            peer.shutdown(socket.SHUT_WR)
            read_to_end(peer)
        assert process.wait(60) == 128 + signal.SIGTERM
    assert stat_of(pid) == []
    recording = container.calls / f"{name}.wav"
    assert recording.stat().st_uid == USER
    told = json.loads(recording.with_suffix(".json").read_text())
    assert told["caller"]["frames"] == {"slin": {"frames": 10, "bytes": 3200}}


def test_without_its_volume_it_says_that_it_cannot_record(container: Container) -> None:
    words = [*ENTRY, "serve", "--listen", "127.0.0.1:0", "--record", "/elsewhere"]
    refusal = r"audiosocket: error: cannot .*/elsewhere.*: read-only file system"
    with pytest.raises(AssertionError, match=refusal), container.running(*words):
        pass
