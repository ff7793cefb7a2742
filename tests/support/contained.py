"""A command in what a container gives it: a root of its own that is read-only and holds no shell, as process 1, as a
user without a name or a capability. Linux's own `unshare` and `chroot` make it; no container engine is needed."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.pages import ROOT
from support.running import children_of, missing, need, rest_of

USER = 10001
HOME = Path("/opt/audiosocket")
"""Where the image has the environment."""
CALLS = Path("/var/lib/audiosocket")
_DEPENDENCIES = Path("/opt/dependencies")

_ENTER = """
set -e
mount --make-rprivate /
mount --bind "$NEW" "$NEW"
while [ "$1" != -- ]; do mount --bind "$1" "$NEW$2"; mount -o remount,bind,ro "$NEW$2"; shift 2; done
shift
mount --rbind /dev "$NEW/dev"
mount -t proc proc "$NEW/proc"
mount --bind "$WRITABLE" "$NEW$CALLS"
mount -o remount,bind,ro "$NEW"
cd "$NEW"
exec setpriv --no-new-privs chroot --userspec="$AS:$AS" "$NEW" "$@"
"""


class Container:
    """A root with the environment that the Containerfile makes of a wheel of this checkout; what the wheel needs is
    shown from the environment of the tests."""

    def __init__(self, folder: Path) -> None:
        """Make it in a folder. Skips the test where that cannot be done here."""
        for tool in ("unshare", "setpriv", "chroot"):
            need(tool)
        if os.geteuid() != 0:
            missing("only root may make a root of its own")
        self.root, self.calls = folder / "root", folder / "writable"
        self.calls.mkdir()
        os.chown(self.calls, USER, USER)
        subprocess.run(
            [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder, ROOT],
            check=True, capture_output=True,
        )  # fmt: skip
        python = Path(sys.executable).resolve()
        libraries = {Path("/usr/lib"), Path("/usr/lib64"), Path(sysconfig.get_path("stdlib")).parent}
        self._shown = {path: path for path in sorted(libraries) if path.is_dir()}
        self._shown[Path(sysconfig.get_path("purelib"))] = _DEPENDENCIES
        for path in (*self._shown.values(), Path("/dev"), Path("/proc"), CALLS, HOME / "bin", python.parent):
            self._inside(path).mkdir(parents=True, exist_ok=True)
        for name in ("lib", "lib64"):
            self._inside(Path("/", name)).symlink_to(f"usr/{name}")
        self._inside(python).write_bytes(python.read_bytes())
        self._inside(python).chmod(0o755)
        self._make_environment(python, next(folder.glob("audiosocket_cli-*.whl")))

    def _inside(self, path: Path) -> Path:
        return self.root / path.relative_to("/")

    def _make_environment(self, python: Path, wheel: Path) -> None:
        home = self._inside(HOME)
        (home / "bin" / "python3").symlink_to(python)
        (home / "pyvenv.cfg").write_text(f"home = {python.parent}\ninclude-system-site-packages = false\n")
        packages = home / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages"
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(packages)
        (packages / "dependencies.pth").write_text(f"{_DEPENDENCIES}\n")
        entry = home / "bin" / "audiosocket"  # as pip writes it
        entry.write_text(
            f"#!{HOME}/bin/python3\nimport sys\nfrom audiosocket_cli.entry import main\nsys.exit(main())\n"
        )
        entry.chmod(0o755)

    @contextmanager
    def running(self, *words: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
        """Run a command in it; yields what waits for its end, and the process as it is known outside."""
        shown = [str(path) for pair in self._shown.items() for path in pair]
        process = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", _ENTER, "sh", *shown, "--", *words],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={"PATH": os.environ["PATH"], "NEW": str(self.root), "WRITABLE": str(self.calls), "CALLS": str(CALLS),
                 "AS": str(USER)},
        )  # fmt: skip
        try:
            assert process.stderr is not None
            said = []
            for line in process.stderr:
                said.append(line)
                if line.startswith("listening on "):
                    break
            else:
                raise AssertionError("".join(said))
            (pid,) = children_of(process.pid)
            yield process, pid
        finally:
            if process.poll() is None:
                process.kill()
            rest_of(process)
