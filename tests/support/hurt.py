"""Packets of calls as a bad network, or a bad capture, leaves them."""

from __future__ import annotations

from random import Random

from support.packets import CALLER, OPENING, SERVER, Stamped, Talk, audio, digit


def hurt(seed: int, harm: float, frames: int = 60) -> list[Stamped]:
    """Two calls at the same time, of whose packets some are lost, repeated, late, cut in two, or two in one."""
    rng = Random(seed)
    talks = [
        Talk(caller=("10.0.0.1", 40000 + number), seqs=(number << 30, 5000 + (number << 30))).open()
        for number in range(2)
    ]
    for number, talk in enumerate(talks):
        talk.say(CALLER, OPENING[:-1] + bytes([number]))
    for number in range(frames):
        talk = rng.choice(talks)
        who = rng.choice((CALLER, SERVER))
        chunk = audio(number, rng.choice((320, 320, 320, 640, 0)))
        what = rng.random() / max(harm, 1e-9)
        if what < 0.1:
            talk.lose(who, chunk)
        elif what < 0.2:
            talk.say(who, chunk[:100], chunk[100:])
        elif what < 0.3:
            talk.say(who, chunk + digit("5") + chunk)
        elif what < 0.35:
            talk.put(who)  # an acknowledgement
        else:
            talk.say(who, chunk)
    packets = [packet for talk in talks for packet in talk.close().packets]
    packets.sort(key=lambda packet: packet.at_ns)
    for _ in range(int(10 * harm)):
        at = rng.randrange(len(packets))
        match rng.randrange(3):
            case 0:
                packets.insert(at, packets[at])
            case 1:
                del packets[at]
            case 2:
                packets[at], packets[at - 1] = packets[at - 1], packets[at]
    return packets
