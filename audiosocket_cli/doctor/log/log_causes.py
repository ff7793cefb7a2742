"""What each cause that a log shows means, and its cure."""

from __future__ import annotations

from typing import Final, NamedTuple

from audiosocket_cli.finding import Status


class Meaning(NamedTuple):
    """What is said of one id that a log shows."""

    status: Status
    what: str
    cure: str
    lines: tuple[str, ...] = ()


_FAULT, _WARNING, _OK = Status.FAULT, Status.WARNING, Status.OK

_TCP: Final = {
    "server-refuses": Meaning(
        _FAULT, "the server refuses connections",
        "start it, and let it listen where Asterisk connects to: 127.0.0.1 is not reached from another machine or "
        "container. `audiosocket doctor HOST:PORT` looks at it",
    ),
    "server-black-hole": Meaning(
        _FAULT, "the server does not answer within 2 s, as after a firewall that drops packets, or at a wrong address",
        "open the port in the firewall or security group, and check the address",
    ),
    "server-unreachable": Meaning(
        _FAULT, "there is no way to the server",
        "check its address and the route from Asterisk's machine or container",
    ),
    "server-wrong-family": Meaning(
        _FAULT, "the server cannot be reached over one of IPv4 and IPv6",
        "write the address of the family on which the server listens, such as 127.0.0.1 in place of localhost, or let "
        "the server listen on both",
    ),
    "server-name-unknown": Meaning(
        _FAULT, "the server's name is not known", "correct the name, or write the address in its place"
    ),
    "name-server-silent": Meaning(
        _FAULT, "the name server does not answer, or takes no question; calls may wait for it for seconds",
        "write the server's address in place of its name, or mend the name server in /etc/resolv.conf",
    ),
    "too-many-files": Meaning(
        _FAULT, "Asterisk cannot open a socket",
        "raise maxfiles in asterisk.conf, or LimitNOFILE of its service, and look for connections that stay open "
        "(`ss -tnp | grep asterisk`)",
    ),
    "descriptor-closed-twice": Meaning(
        _FAULT, "Asterisk closed a file descriptor that another call was using: it closes a connection that failed "
        "twice, and meanwhile the number can be another call's",
        "see that connections do not fail: keep the server's port open across its restarts",
    ),
    "out-of-memory": Meaning(_FAULT, "Asterisk has no memory left", "look at the memory of its machine or container"),
}  # fmt: skip

_SERVER: Final = {
    "server-sends-unknown-kind": Meaning(
        _FAULT, "the server sent a frame that is neither audio nor a hangup, which ends the call",
        "send kinds 00 and 10 (11 to 18 only to a release that has them); digits have to be tones. "
        "`audiosocket proxy HOST:PORT` between Asterisk and it names the frame",
    ),
    "server-sends-empty-audio": Meaning(
        _FAULT, "the server sent an audio frame of length 0, which ends the call", "send nothing in place of it"
    ),
    "server-splits-frames": Meaning(
        _FAULT, "the server's frames came in parts: a gap inside a frame ends the call",
        "send each frame, header and payload, with one send, and set TCP_NODELAY; frames of 20 ms",
    ),
    "server-dies-in-frame": Meaning(
        _FAULT, "the server closed the connection in the middle of a frame",
        "look at the server's own log: it crashed, was stopped, or sent a length that is not that of its payload",
    ),
    "server-silent": Meaning(
        _FAULT, "neither side sent anything for 2 s, which ends the call",
        "let the server send a frame of silence each 20 ms from the UUID on, whatever it waits for",
    ),
    "server-closes-unread": Meaning(
        _WARNING, "the server closed the connection with the caller's audio unread, or crashed: that is a reset, after "
        "which the dialplan does not go on",
        "before closing, send 00 00 00, read to the end, and then close; and look at the server's own log for a crash",
    ),
    "server-accepts-and-closes": Meaning(
        _FAULT, "the server takes connections and closes them at once",
        "look at the server's own log; a proxy whose own server is gone should refuse connections instead",
    ),
    "server-stalls": Meaning(
        _FAULT, "the server stopped reading: the buffers are full, which ends the call",
        "read always, also while the server speaks or waits for something",
    ),
    "server-bursts": Meaning(
        _FAULT, "audio came faster than it plays, and Asterisk throws away what queues up",
        "send one frame of 20 ms each 20 ms, by the clock",
    ),
    "frame-too-long": Meaning(
        _FAULT, "a frame was longer than Asterisk's translators take (about 8,096 samples)", "send frames of 20 ms"
    ),
}  # fmt: skip

_ASTERISK: Final = {
    "no-answer": Meaning(
        _FAULT, "AudioSocket() was reached before the channel was answered",
        "write Answer() before it", ("same => n,Answer()",),
    ),
    "uuid-malformed": Meaning(
        _FAULT, "the UUID is missing or is not one",
        "give each call a UUID with its dashes; ${UUID()} needs func_uuid", ("same => n,Set(CALL=${UUID()})",),
    ),
    "func-missing": Meaning(
        _FAULT, "the function UUID() is not there, so that calls have no UUID",
        "load func_uuid", ("asterisk -rx 'module load func_uuid.so'",),
    ),
    "module-missing": Meaning(
        _FAULT, "a module of AudioSocket is not loaded",
        "load the three modules, and see that modules.conf does not leave them out",
        tuple(f"asterisk -rx 'module load {name}_audiosocket.so'" for name in ("res", "app", "chan")),
    ),
    "no-server": Meaning(_FAULT, "the dialplan names no server", "write HOST:PORT"),
    "no-port": Meaning(_FAULT, "the server's address has no port", "write HOST:PORT, such as 127.0.0.1:9092"),
    "port-out-of-range": Meaning(
        _FAULT, "the port is larger than 65535, and Asterisk takes what is left after division by 65536",
        "write the right port",
    ),
    "address-without-brackets": Meaning(
        _FAULT, "an IPv6 address stands without brackets", "write [::1]:9092 in place of ::1:9092"
    ),
    "unknown-codec": Meaning(_FAULT, "c(…) names a codec that Asterisk does not have", "write c(slin) or c(slin16)"),
    "no-codec": Meaning(_FAULT, "no codec was asked for, and the caller has none", "write c(slin)"),
    "many-codecs": Meaning(
        _FAULT, "c(…) names several codecs, and Dial takes & for the next destination; or its bracket is not closed",
        "name one codec, and close the bracket: c(slin)",
    ),
    "bracket-missing": Meaning(
        _FAULT, "a bracket after the UUID is not closed", "write c(slin), and nothing else, after the UUID"
    ),
    "codec-missing": Meaning(
        _FAULT, "Asterisk cannot convert between the caller's codec and the one of AudioSocket",
        "write c(slin), and load the caller's codec_… and codec_resample", ("asterisk -rx 'core show translation'",),
    ),
    "comfort-noise": Meaning(
        _FAULT, "the caller's comfort noise ended the call, as it does before 20.20, 22.10 and 23.4",
        "update Asterisk, or turn comfort noise (CN, VAD) off in the phone or trunk",
    ),
    "frame-unsupported": Meaning(
        _FAULT, "a frame that is neither voice nor a digit reached AudioSocket, and ended the call",
        "update Asterisk to 20.20, 22.10 or 23.4, which leave such frames out",
    ),
    "normal-end": Meaning(_OK, "calls ended in order: the caller, or the dialplan, hung up", ""),
    "caller-gone-early": Meaning(_OK, "callers hung up while the connection was being made, which is harmless", ""),
}  # fmt: skip

MEANINGS: Final = {**_TCP, **_SERVER, **_ASTERISK}
