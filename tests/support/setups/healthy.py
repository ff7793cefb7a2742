"""Set-ups in which nothing is wrong."""

from __future__ import annotations

import sys

from support.setups.setup import HERE, SERVER, Setup, ours

_NOTHING = frozenset[str]()

_APPLICATION = f"""
exten => 100,1,Answer()
 same => n,AudioSocket(${{UUID()}},{SERVER})
 same => n,Hangup()
"""

_CONFERENCE = f"""
exten => 100,1,Answer()
 same => n,Originate(AudioSocket/{SERVER}/${{UUID()}}/c(slin),exten,conference,bot,1,5,a)
 same => n,ConfBridge(room,,caller)
 same => n,Hangup()

[conference]
exten => bot,1,ConfBridge(room,,bot)
"""

_FAIL_OVER = """
exten => 100,1,Answer()
 same => n,TryExec(AudioSocket(${UUID()},127.0.0.1:9092))
 same => n,GotoIf($["${TRYSTATUS}" = "SUCCESS"]?done)
 same => n,TryExec(AudioSocket(${UUID()},127.0.0.1:9093))
 same => n(done),Hangup()
"""

_TRANSFER = """
exten => 100,1,Answer()
 same => n,Set(CALL=${UUID()})
 same => n,AudioSocket(${CALL},127.0.0.1:9092)
 same => n,Set(RESULT=${FILTER(a-z,${CURL(http://127.0.0.1:9080/calls/${CALL}/result)})})
 same => n,GotoIf($[${DIALPLAN_EXISTS(after-the-bot,${RESULT},1)}]?after-the-bot,${RESULT},1)
 same => n,Hangup()

[after-the-bot]
exten => sales,1,Playtones(440)
 same => n,Wait(1)
 same => n,Hangup()
"""

CONFBRIDGE = {
    "confbridge.conf": "[default_bridge]\ntype = bridge\n[caller]\ntype = user\nquiet = yes\nmarked = yes\n"
    "[bot]\ntype = user\nquiet = yes\nend_marked = yes\n"
}
"""The bot leaves with the caller."""
CONFBRIDGE_MODULES = ("app_confbridge", "app_originate", "bridge_builtin_features", "res_sorcery_memory")

_ARI_MODULES = (
    *(
        "res_stasis",
        "res_stasis_answer",
        "res_stasis_playback",
        "res_stasis_recording",
        "res_stasis_snoop",
        "app_stasis",
    ),
    *("res_ari_model", "res_ari", "res_ari_applications", "res_ari_channels", "res_ari_bridges", "res_ari_events"),
)
_ARI_FILES = {
    "http.conf": "[general]\nenabled = yes\nbindaddr = 127.0.0.1\nbindport = 8088\n",
    "ari.conf": "[general]\nenabled = yes\n[bot]\ntype = user\npassword = bot\npassword_format = plain\n",
}


def _driver(codec: str) -> Setup:
    dialplan = f"\nexten => 100,1,Dial(AudioSocket/{SERVER}/${{UUID()}}/c({codec}))\n same => n,Hangup()\n"
    return Setup(f"driver-{codec}", f"nothing: the channel driver at {codec}", _NOTHING, dialplan, (ours("--echo"),))


def _ari(parties: int) -> Setup:
    caller = (sys.executable, str(HERE / "ari.py"), str(parties))
    dialplan = "\nexten => 200,1,Answer()\n same => n,Playtones(440)\n same => n,Wait(20)\n"
    return Setup(
        f"ari-{parties}", f"nothing: an ARI bridge of {parties} channels, one of them AudioSocket's", _NOTHING,
        dialplan, (ours("--echo"),), modules=_ARI_MODULES, files=_ARI_FILES, caller=caller,
    )  # fmt: skip


HEALTHY = (
    Setup("application", "nothing: the application", _NOTHING, _APPLICATION, (ours("--echo"),)),
    Setup(
        "test-call", "nothing: doctor places calls of its own", _NOTHING, _APPLICATION, (ours("--echo"),),
        looks=("asterisk", "test-call"),
    ),
    _driver("slin"),
    _driver("slin16"),
    _driver("slin48"),
    _ari(2),
    _ari(3),
    Setup(
        "confbridge", "nothing: the bot is in a conference", _NOTHING, _CONFERENCE, (ours("--tone", "440"),),
        files=CONFBRIDGE, modules=CONFBRIDGE_MODULES, phone="talk 3",
    ),
    Setup(
        "hold", "nothing: the caller holds for 3 s, and goes on", _NOTHING, _APPLICATION, (ours("--echo"),),
        phone="talk 1, hold 3, talk 1",
    ),
    Setup(
        "transfer", "nothing: the bot sends the caller on to another extension", _NOTHING, _TRANSFER,
        (ours("--api", "127.0.0.1:9080", "--exec", f"{sys.executable} {HERE / 'transferring_bot.py'}"),),
        phone="talk 4",
    ),
    Setup(
        "silent-caller", "nothing: the caller's phone sends nothing for 3 s", _NOTHING, _APPLICATION, (ours("--echo"),),
        phone="pause 3",
    ),
    Setup(
        "fail-over", "nothing: TryExec with a second server, and both are up", _NOTHING, _FAIL_OVER,
        (ours("--echo"), ours("--echo", at="127.0.0.1:9093")),
    ),
    Setup(
        "comfort-noise", "nothing: comfort noise, which this release takes", _NOTHING,
        f"\nexten => 100,1,Dial(AudioSocket/{SERVER}/${{UUID()}}/c(slin))\n", (ours("--echo"),),
        phone="talk 1, noise 1, talk 1",
    ),
)  # fmt: skip
"""All of them."""
