"""A small server that takes turns, and ones that have one fault each: `FAULTY_TALKERS` names for each case of turn/ and
bargein/ the server that fails it, and no other case."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass

import numpy as np

from support.bots import SPEECH
from support.faulty import SILENCE, Call, EchoServer

_LOUD = 200


@dataclass
class Turns:
    """Where a call is."""

    loud_s: float = 0.0
    """When the caller last spoke."""
    is_asked: bool = False
    speaks_until_s: float = 0.0
    taken: int = 0
    """Turns of the caller's so far."""
    interruptions: int = 0


class TalkServer(EchoServer):
    """Hears the caller out, speaks for four seconds, and falls silent when it is interrupted. Sends by a clock."""

    answer_s = 4.0

    def __init__(self, port: int = 0) -> None:
        self.turns: dict[Call, Turns] = {}
        super().__init__(port)

    def opened(self, call: Call) -> None:
        self.turns[call] = Turns()
        threading.Thread(target=self._speak, args=(call, self.turns[call]), daemon=True).start()

    def idle(self, call: Call) -> None:
        pass

    def audio(self, call: Call, kind: int, payload: bytes) -> None:
        samples = np.frombuffer(payload[: len(payload) // 2 * 2], "<i2").astype(int)
        if np.abs(samples).max(initial=0) <= _LOUD:
            return
        turns, now_s = self.turns[call], time.monotonic()
        turns.loud_s, turns.is_asked = now_s, True
        if now_s < turns.speaks_until_s:
            self.interrupted(turns, now_s)

    def _speak(self, call: Call, turns: Turns) -> None:
        due_s = time.monotonic()
        with contextlib.suppress(OSError):
            while call in self.calls:
                self.send(call, SPEECH if self._speaks(turns, time.monotonic()) else SILENCE)
                due_s += 0.02
                time.sleep(max(0.0, due_s - time.monotonic()))

    def _speaks(self, turns: Turns, now_s: float) -> bool:
        if turns.is_asked and now_s - turns.loud_s >= self.pause_s(turns):
            turns.is_asked = False
            turns.taken += 1
            if self.answers(turns):
                turns.speaks_until_s = now_s + self.answer_s
        return now_s < turns.speaks_until_s

    # What it does.

    def pause_s(self, turns: Turns) -> float:
        """After how long a pause the caller has said all."""
        return 0.8

    def answers(self, turns: Turns) -> bool:
        return True

    def interrupted(self, turns: Turns, now_s: float) -> None:
        turns.speaks_until_s = 0.0
        turns.interruptions += 1


class SlowFirstTurn(TalkServer):
    def pause_s(self, turns: Turns) -> float:
        return super().pause_s(turns) if turns.taken else 2.4


class AnswersOnce(TalkServer):
    def answers(self, turns: Turns) -> bool:
        return turns.taken == 1 or bool(turns.interruptions)


class Hasty(TalkServer):
    def pause_s(self, turns: Turns) -> float:
        return 0.2


class SpeaksOn(TalkServer):
    def interrupted(self, turns: Turns, now_s: float) -> None:
        if not turns.interruptions:
            turns.interruptions = 1
            turns.speaks_until_s = now_s + 1.1


class SulksWhenInterrupted(TalkServer):
    def answers(self, turns: Turns) -> bool:
        return not turns.interruptions


FAULTY_TALKERS: dict[str, type[TalkServer]] = {
    "turn/answers": SlowFirstTurn,
    "turn/second-turn": AnswersOnce,
    "turn/pause": Hasty,
    "bargein/falls-silent": SpeaksOn,
    "bargein/next-turn": SulksWhenInterrupted,
}
