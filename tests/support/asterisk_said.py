"""What real Asterisks printed, and a small command `asterisk` that prints it, for what a test cannot have."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from audiosocket_cli.doctor.pbx.asterisk_cli import AsteriskCli
from audiosocket_cli.doctor.pbx.place import place_of

VERSION = "Asterisk 22.10.1+dfsg-1 built by nobody @ buildd.debian.org on a unknown running Linux on 2026-07-20\n"

MODULES = """\
Module                         Description                              Use Count  Status      Support Level
app_audiosocket.so             AudioSocket Application                  0          Running          extended
app_dial.so                    Dialing Application                      0          Running              core
ccss                           Call Completion Supplementary Services   1          Running              core
chan_audiosocket.so            AudioSocket Channel                      0          Running          extended
codec_resample.so              SLIN Resampling Codec                    0          Running              core
func_uuid.so                   UUID generation dialplan function        0          Running          extended
pbx_config.so                  Text Extension Configuration             0          Running              core
res_audiosocket.so             AudioSocket support                      2          Running          extended
8 modules loaded
"""

SETTINGS = """

PBX Core settings
-----------------
  Version:                     22.10.1

* Directories
  -------------
  Configuration file:          /etc/asterisk/asterisk.conf
  Configuration directory:     {root}/etc
  Module directory:            {root}/modules
  Log directory:               {root}/log
  Run/Sockets directory:       {root}/run
  PID file:                    {root}/run/asterisk.pid
"""

TRANSLATION = """\
--- Translation paths SRC Codec "slin" sample rate 8000 ---
\tslin:8000        To g723:8000       : No Translation Path                                         \n\
\tslin:8000        To ulaw:8000       : (slin@8000)->(ulaw@8000)                                    \n\
\tslin:8000        To alaw:8000       : (slin@8000)->(alaw@8000)                                    \n\
\tslin:8000        To slin:16000      : (slin@8000)->(slin@16000)                                   \n\
"""

DIALPLAN = """\
[ Context 'default' created by 'pbx_config' ]
  '100' =>          1. Answer()                                   [extensions.conf:6]
                    2. AudioSocket(${UUID()},127.0.0.1:9092)      [extensions.conf:7]
                    3. Hangup()                                   [extensions.conf:8]

-= 1 extension (3 priorities) in 1 context. =-
"""

CHANNEL = "AudioSocket/127.0.0.1:21101-27d039c0-4dd2-446e-b969-6a5b104d4571"

CHANNELS = f"""\
{CHANNEL}!default!s!1!Up!Echo!!!!!3!12!!1796019630.0
PJSIP/100-00000001!default!100!2!Up!AudioSocket!92a62f6d-f053-44d1-8772-19af6aefcb85,bot:9092!100!!!3!7!!1796019631.1
PJSIP/101-00000002!default!101!2!Up!Dial!AudioSocket/bot:9093/1!101!!!3!7!f2a0!1796019632.2
"""

LOGGER = "\n".join(
    (
        "Logger queue limit: 1000",
        "",
        "Channel                             Type     Formatter  Status    Configuration",
        "-------                             ----     ---------  ------    -------------",
        "{root}/log/messages.log File     default    Enabled    - NOTICE WARNING ERROR ",
        "{root}/log/security File     default    Enabled    - SECURITY ",
        "Console                             Console  default    Enabled    - NOTICE WARNING ERROR ",
        "",
    )
)

_SCRIPT = """#!/bin/sh
while [ $# -gt 0 ]; do
  if [ "$1" = -rx ]; then said="$0.said/$(echo "$2" | tr ' ' _)"; command=$2; fi
  shift
done
[ -f "$said" ] && exec cat "$said"
echo "No such command '$command' (type 'core show help $command' for other possible commands)"
"""


def healthy(root: Path) -> dict[str, str]:
    """What an Asterisk says that has nothing wrong, whose files are in a folder."""
    return {
        "core show version": VERSION,
        "core show settings": SETTINGS.format(root=root),
        "module show": MODULES,
        "core show translation paths slin": TRANSLATION,
        "core show channels concise": "",
        "dialplan show": DIALPLAN,
        "dialplan show globals": "\n    -- 0 variables\n",
        "logger show channels": LOGGER.format(root=root),
    }


def make_asterisk(folder: Path, said: Mapping[str, str]) -> Path:
    """Make a command that answers `-rx COMMAND` with what is said here, and return its path."""
    command = folder / "asterisk"
    answers = folder / "asterisk.said"
    answers.mkdir()
    for question, answer in said.items():
        (answers / question.replace(" ", "_")).write_text(answer)
    command.write_text(_SCRIPT)
    command.chmod(0o755)
    return command


def asterisk_that_says(folder: Path, **changes: str) -> AsteriskCli:
    """Return a healthy one, but for some answers: `module_show="…"`."""
    changed = {question.replace("_", " "): answer for question, answer in changes.items()}
    return AsteriskCli(place_of(str(make_asterisk(folder, healthy(folder) | changed)), None))
