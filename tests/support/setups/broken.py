"""Set-ups that are broken, each in one way."""

from __future__ import annotations

import shutil

from support.setups.healthy import CONFBRIDGE, CONFBRIDGE_MODULES
from support.setups.machine import BLACK_HOLE
from support.setups.setup import SERVER, Program, Setup, faulty, ours, watched

_HAPROXY = """
global
    maxconn 100
defaults
    mode tcp
    timeout connect 2s
    timeout client 1m
    timeout server 1m
listen audiosocket
    bind 127.0.0.1:9092
    server bot 127.0.0.1:9999
"""

_HOLD = "talk 1, hold 3"
_UUID = "0aa12b34-95c1-4c6e-9d20-8c6b5c1f7a11"


def application(server: str = SERVER, uuid: str = "${UUID()}", first: str = "Answer()") -> str:
    """Return a dialplan with the application."""
    return f"\nexten => 100,1,{first}\n same => n,AudioSocket({uuid},{server})\n same => n,Hangup()\n"


def driver(form: str = "/c(slin)", server: str = SERVER) -> str:
    """Return a dialplan with the channel driver."""
    return f"\nexten => 100,1,Dial(AudioSocket/{server}/${{UUID()}}{form})\n same => n,Hangup()\n"


def _of(name: str, truth: str, names: str, dialplan: str, *programs: Program, also: str = "", **more: object) -> Setup:
    return Setup(name, truth, frozenset(names.split()), dialplan, programs, frozenset(also.split()), **more)  # type: ignore[arg-type]


def _bot(name: str, truth: str, names: str, **more: object) -> Setup:
    """A set-up in which the server has a fault, and nothing else has one."""
    dialplan = str(more.pop("dialplan", application()))
    return _of(name, truth, names, dialplan, *more.pop("programs", (faulty(name),)), **more)  # type: ignore[misc]


def _sound(fault: str, truth: str, names: str) -> Setup:
    """A set-up whose bot sounds wrong; our proxy stands before it, and records."""
    return _of(fault, truth, names, application(), *watched(fault), looks=("asterisk", "calls"), phone="talk 3")


_CONFERENCE = """
exten => 100,1,Answer()
 same => n,Originate(AudioSocket/127.0.0.1:9092/${UUID()}/c(slin),exten,conference,bot,1,5,a)
 same => n,ConfBridge(room,,caller)
 same => n,Hangup()

[conference]
exten => bot,1,ConfBridge(room,,bot)
"""

_TWICE = """
exten => 100,1,Answer()
 same => n,AudioSocket(${UUID()},127.0.0.1:9093)
 same => n,AudioSocket(${UUID()},127.0.0.1:9092)
 same => n,Hangup()
"""

_HANDED = ("asterisk",)

DIALPLANS = (
    _of("no-codec", "no c(…): µ-law goes to the server as slin", "no-codec caller-ulaw", driver(""), ours()),
    _of("codec-ulaw", "c(ulaw), which is labelled slin", "codec-without-kind caller-ulaw", driver("/c(ulaw)"), ours()),
    _of("codec-alaw", "an A-law phone, and no c(…)", "no-codec caller-ulaw", driver(""), ours(), codec="alaw"),
    _of("codec-g722", "c(g722), which is labelled slin", "codec-without-kind", driver("/c(g722)"), ours(),
        also="caller-ulaw"),
    _of("codec-h264", "c(h264): answers and carries no audio", "codec-without-kind", driver("/c(h264)"), ours()),
    _of("two-codecs", "two codecs in c(): Dial takes & for the next destination", "many-codecs",
        driver("/c(slin16&slin)"), ours(), also="dial-forks",
        shows="options 'c(slin16' parse error"),
    _of("unknown-codec", "c(slin22): there is no such codec", "unknown-codec", driver("/c(slin22)"), ours(),
        shows="Codec 'slin22' not found"),
    _of("missing-answer", "no Answer() before AudioSocket()", "no-answer", application(first="NoOp()"), ours(),
        shows="Channel is not answered"),
    _of("no-port", "an address without a port", "no-port", application("127.0.0.1"), ours(),
        shows="Port missing in 127.0.0.1"),
    _of("port-99999", "port 99999, which is 34463 to Asterisk", "port-out-of-range",
        application("127.0.0.1:99999"), ours(), also="server-refuses",
        shows="'127.0.0.1:34463' failed"),
    _of("no-brackets", "an IPv6 address without brackets", "address-without-brackets", application("::1:9092"),
        ours(at="[::1]:9092"), at="[::1]:9092",
        shows="Port missing in ::1:9092"),
    _of("uuid-malformed", "call-1234 is not a UUID", "uuid-malformed", application(uuid="call-1234"), ours(),
        shows="Failed to parse UUID"),
    _of("uuid-fixed", "all calls have the same UUID", "uuid-fixed", application(uuid=_UUID), ours(), calls=2),
    _of("uuid-example", "all calls have the UUID of the protocol's page", "uuid-example",
        application(uuid="40325ec2-5efd-4bd3-805f-53576e581d13"), ours(), also="uuid-fixed"),
    _of("forks", "two servers at once, meant as fail-over", "dial-forks",
        driver("/c(slin)&AudioSocket/127.0.0.1:9093/${UUID()}/c(slin)"), ours(), ours(at="127.0.0.1:9093")),
    _of("no-tryexec", "AudioSocket() twice, for fail-over: the first failure ends the dialplan", "no-tryexec", _TWICE,
        ours(), also="server-refuses",
        shows="127.0.0.1:9093' failed"),
)  # fmt: skip

MODULES = (
    _of("no-application", "app_audiosocket is not loaded", "module-missing", application(), ours(),
        without=("app_audiosocket",), looks=("asterisk", "server", "test-call"),
        shows="No application 'AudioSocket'"),
    _of("no-driver", "chan_audiosocket is not loaded", "module-missing", driver(), ours(),
        without=("chan_audiosocket",), looks=("asterisk", "server", "test-call"),
        shows="No channel type registered for 'AudioSocket'"),
    _of("no-resource", "res_audiosocket is not loaded, so neither of the others is", "module-missing", application(),
        ours(), without=("res_audiosocket",),
        shows="undefined symbol: ast_audiosocket"),
    _of("no-uuid-function", "func_uuid is not loaded: the UUID is empty", "func-missing", application(), ours(),
        without=("func_uuid",), also="uuid-malformed",
        shows="Function UUID not registered"),
)  # fmt: skip

NETWORKS = (
    _of("down", "nothing listens there", "server-refuses", application(), looks=("asterisk", "server"),
        shows="Connection refused"),
    _of("black-hole", "a firewall drops what goes there", "server-black-hole", driver(server=f"{BLACK_HOLE}:9092"),
        looks=("asterisk", "server"), at=f"{BLACK_HOLE}:9092",
        shows="timedout after MAX_CONNECT"),
    _of("ipv6-only", "the server listens at ::1 only, the dialplan says 127.0.0.1", "server-wrong-family",
        application(), ours(at="[::1]:9092"), looks=_HANDED, also="server-refuses",
        shows="Connection refused"),
    _of("ipv4-only", "the server listens at 127.0.0.1 only, the dialplan says [::1]", "server-wrong-family",
        application("[::1]:9092"), ours(), looks=_HANDED, also="server-refuses",
        shows="Connection refused"),
    _of("dns-dead", "the name server does not answer", "name-server-silent", application("bot.example.com:9092"),
        ours(), resolv_conf=f"nameserver {BLACK_HOLE}\n", phone="talk 12", looks=_HANDED,
        shows="Temporary failure in name resolution"),
    _of("unknown-name", "there is no such name", "server-name-unknown", application("bot.example.com:9092"), ours(),
        Program(faulty("name-server", "unknown").command), resolv_conf="nameserver 127.0.0.1\n", looks=_HANDED,
        shows="Name or service not known"),
    _of("dead-backend", "HAProxy accepts, and its server is gone", "server-accepts-and-closes", application(),
        Program((shutil.which("haproxy") or "haproxy", "-V", "-f", "../run/etc/haproxy.cfg"), ready="Using epoll"),
        files={"haproxy.cfg": _HAPROXY}, looks=("asterisk", "server"), phone="talk 5", shows="hung up"),
)  # fmt: skip

SERVERS = (
    _bot("waits", "the server waits for the caller's first frame", "server-waits", phone="talk 2"),
    _bot("silent", "the server says nothing, and the caller holds", "server-silent", phone=_HOLD,
         also="server-waits one-way-sound",
        shows="Reached timeout after 2000 ms"),
    _bot("bursts", "the server sends 3 s at once", "server-bursts", dialplan=driver()),
    _bot("conference-bursts", "the server sends 3 s at once into a conference", "server-bursts",
         programs=(faulty("bursts"),), dialplan=_CONFERENCE, files=CONFBRIDGE,
         modules=CONFBRIDGE_MODULES, phone="talk 4", also="server-stalls"),
    _bot("splits-frames", "headers come 12 ms before their payload", "server-splits-frames", dialplan=driver(),
        shows="Poll timed out"),
    _bot("splits-headers", "the server splits headers by 12 ms", "server-splits-frames"),
    _bot("sends-digits", "the server sends a digit", "server-sends-digits", also="server-sends-unknown-kind",
        shows="message other than hangup or audio"),
    _bot("sends-unknown", "the server sends a kind of its own", "server-sends-unknown-kind", dialplan=driver(),
        shows="message other than hangup or audio"),
    _bot("sends-empty", "the server sends audio of length 0", "server-sends-empty-audio",
        shows="Invalid message length"),
    _bot("sends-long", "the server sends frames of 4 s", "frame-too-long", also="server-bursts",
        shows="Out of buffer space"),
    _bot("closes-unread", "the server closes with unread input", "server-closes-unread", phone="talk 4",
         also="server-stalls",
        shows="Connection reset by peer"),
    _bot("stalls", "the server stops reading", "server-stalls", phone="talk 6", during=True),
    _bot("dies-in-frame", "the server dies in the middle of a frame", "server-dies-in-frame", phone="talk 4",
        shows="Insufficient payload"),
)  # fmt: skip

SOUNDS = (
    _sound("slin16-as-slin", "the bot's 16 kHz go out as 8 kHz", "server-wrong-rate"),
    _sound("ulaw", "the bot sends µ-law as slin", "server-ulaw"),
    _sound("big-endian", "the bot sends samples with their high byte first", "byte-swapped"),
    _sound("clips", "the bot's sound is cut at the limits", "clipped"),
    _sound("too-slow", "the bot sends too slowly: sleeps and works", "audio-slow"),
    _of("one-way", "the caller hears nothing: the bot never says a word", "one-way-sound", driver(), *watched("silent"),
        looks=("asterisk", "calls"), also="server-silent server-waits", phone="talk 3"),
)  # fmt: skip

BROKEN = (*DIALPLANS, *MODULES, *NETWORKS, *SERVERS, *SOUNDS)
"""All of them."""
