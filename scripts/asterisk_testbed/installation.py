"""Which Asterisk is used: the one of this machine, or one in a chroot that is made here."""

from __future__ import annotations

import argparse
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from asterisk_testbed.base import TestbedError, run, say

# The first releases that read a split frame header correctly; 18 and 21 never did.
FIRST_GOOD_MINOR = {20: 19, 22: 9, 23: 3}

AUDIOSOCKET_MODULES = ("res_audiosocket", "app_audiosocket", "chan_audiosocket")

MODULES = (
    *("res_timing_timerfd", "pbx_config", "bridge_simple", "res_clioriginate", "func_timeout"),
    *("codec_resample", "codec_ulaw", "codec_alaw", "format_wav", "format_sln", "format_pcm"),
    *("app_dial", "app_playback", "app_echo", "app_playtones", "app_senddtmf"),
    *("app_verbose", "app_record", "app_mixmonitor", "app_stack", "func_channel"),
    *("func_uuid", "func_strings", "func_cut", "func_dialplan", "res_curl", "func_curl"),
    *AUDIOSOCKET_MODULES,
)

MODULE_FOLDERS = ("/usr/lib*/asterisk/modules", "/usr/lib/*/asterisk/modules", "/usr/local/lib*/asterisk/modules")

IN_CHROOT = "var/lib/audiosocket-testbed"

MARK = f"{IN_CHROOT}/made-by-asterisk-testbed"


@dataclass(frozen=True)
class Asterisk:
    """Where one Asterisk lives: `root` is its chroot or None when installed, `base` the folder for all it writes."""

    root: Path | None
    base: Path

    @property
    def run(self) -> Path:
        return self.base / "run"

    @property
    def log(self) -> Path:
        return self.run / "log" / "messages"

    def inside(self, path: Path) -> str:
        """The name of a host path as Asterisk sees it."""
        return f"/{path.relative_to(self.root)}" if self.root else str(path)

    def command(self, *args: str) -> list[str]:
        prefix = ["chroot", str(self.root)] if self.root else []
        return [*prefix, "asterisk", "-C", self.inside(self.run / "etc" / "asterisk.conf"), *args]

    def cli(self, text: str, timeout: float = 20) -> str:
        """Run one CLI command in the running Asterisk."""
        done = run(*self.command("-n", "-rx", text), timeout=timeout)
        if done.returncode:
            raise TestbedError(f"Asterisk refused '{text}': {last_line(done.stdout + done.stderr)}")
        return done.stdout

    def version(self) -> str:
        prefix = ["chroot", str(self.root)] if self.root else []
        return run(*prefix, "asterisk", "-V").stdout.strip()


def last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no output"


def is_recent(version: str) -> bool:
    """Certified and git versions have no plain number and count as recent."""
    match = re.match(r"Asterisk (\d+)\.(\d+)", version)
    if not match:
        return version.startswith("Asterisk ")
    major, minor = int(match[1]), int(match[2])
    return major > max(FIRST_GOOD_MINOR) or minor >= FIRST_GOOD_MINOR.get(major, minor + 1)


def why_not_installed() -> str | None:
    """None when the installed Asterisk can be used, else the reason why not."""
    if not shutil.which("asterisk"):
        return "no asterisk is installed"
    version = run("asterisk", "-V").stdout.strip()
    if not is_recent(version):
        return f"the installed {version or 'asterisk'} is too old"
    folders = [folder for pattern in MODULE_FOLDERS for folder in Path("/").glob(pattern[1:])]
    if not any(all((folder / f"{name}.so").exists() for name in AUDIOSOCKET_MODULES) for folder in folders):
        return f"the installed {version} lacks AudioSocket modules ({', '.join(AUDIOSOCKET_MODULES)})"
    return None


def is_ours(root: Path) -> bool:
    return (root / MARK).exists()


def in_chroot(root: Path) -> Asterisk:
    if not (root / "usr/sbin/asterisk").exists():
        raise TestbedError(f"there is no usr/sbin/asterisk in {root}: give a folder with an Asterisk as --root")
    if os.geteuid() != 0:
        raise TestbedError(f"using the chroot {root} needs root: try again with sudo")
    return Asterisk(root, root / IN_CHROOT)


def find_asterisk(options: argparse.Namespace) -> Asterisk | None:
    """The Asterisk these options mean, None when there is none yet."""
    if options.root:
        return in_chroot(options.root.resolve())
    made = options.home / "root"
    if is_ours(made):
        return in_chroot(made)
    if options.chroot or why_not_installed():
        return None
    return Asterisk(None, options.home)


def require_asterisk(options: argparse.Namespace) -> Asterisk:
    asterisk = find_asterisk(options)
    if not asterisk:
        raise TestbedError(f"no Asterisk to use with --home {options.home}: run 'asterisk-testbed setup' first")
    return asterisk


def install_missing_packages() -> None:
    keyrings = Path("/usr/share/keyrings").glob("debian-archive-keyring.*")
    missing = [] if shutil.which("mmdebstrap") else ["mmdebstrap"]
    missing += [] if any(keyrings) else ["debian-archive-keyring"]
    if not missing:
        return
    say(f"setup: installing {' '.join(missing)} with apt-get")
    if not shutil.which("apt-get"):
        raise TestbedError(f"{' and '.join(missing)} missing and no apt-get: install Asterisk 22.9 or later yourself")
    run("apt-get", "-qq", "update", timeout=600)
    done = run("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-y", "install", *missing, timeout=600)
    if done.returncode:
        raise TestbedError(f"apt-get install {' '.join(missing)} failed: {last_line(done.stderr)}")


def make_chroot(root: Path) -> None:
    """Make the chroot in a folder next to its place, so that a half-made one is never taken for a good one."""
    if root.exists():
        raise TestbedError(f"{root} exists and was not made by this script: choose another --home")
    install_missing_packages()
    workshop = root.with_name("half-made")
    remove_tree(workshop)
    (workshop / "tmp").mkdir(parents=True)
    try:
        run_mmdebstrap(workshop / "root", workshop / "tmp")
        mark = workshop / "root" / MARK
        mark.parent.mkdir(parents=True)
        mark.touch()
        (workshop / "root").rename(root)
    finally:
        remove_tree(workshop)


def run_mmdebstrap(root: Path, scratch: Path) -> None:
    # It mounts /proc and more in the chroot: in namespaces of its own all that goes when it is interrupted.
    alone = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    alone = [] if run(*alone, "true").returncode else alone
    # Debian's stable suites have no Asterisk.
    options = ["--variant=apt", "--include=asterisk", '--aptopt=Acquire::Check-Valid-Until "false"', "sid", str(root)]
    done = run("env", f"TMPDIR={scratch}", *alone, "mmdebstrap", *options, timeout=1800)
    if done.returncode:
        raise TestbedError(f"mmdebstrap failed with code {done.returncode}: {last_line(done.stderr)}")


def remove_tree(folder: Path) -> None:
    """Remove a folder, but never through a mount point into someone else's files."""
    if not folder.exists():
        return
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    inside = [mount for mount in mounts if Path(mount).is_relative_to(folder.resolve())]
    if inside:
        raise TestbedError(f"{inside[0]} is mounted inside {folder}: unmount it first")
    shutil.rmtree(folder)
