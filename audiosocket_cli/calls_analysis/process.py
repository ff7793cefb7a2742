"""The process that measures calls, one after the other; `here` asks it.

A question is a pickled `ListedCall`, an answer a pickled `Attempt`, each after its length in 4 bytes. They come from
our own parent alone. The first answer comes without a question: `VERSION`, once the process is ready.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
from typing import IO, Any

from audiosocket_cli.calls_analysis.attempt import VERSION, Attempt, attempt


def write_message(file: IO[bytes], message: Any) -> None:
    """Write a question or an answer. Raises `OSError`."""
    data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    file.write(len(data).to_bytes(4, "big") + data)
    file.flush()


def read_message(file: IO[bytes]) -> Any:
    """Read a question or an answer. Raises `EOFError` where no whole one comes."""
    length = file.read(4)
    data = file.read(int.from_bytes(length, "big")) if len(length) == 4 else b""
    if len(length) < 4 or len(data) < int.from_bytes(length, "big"):
        raise EOFError
    return pickle.loads(data)


def main(questions: IO[bytes], answers: IO[bytes]) -> None:
    """Answer until there are no more questions."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # our parent ends us, once it has kept what is there
    write_message(answers, VERSION)
    while True:
        try:
            call = read_message(questions)
        except EOFError:
            return
        try:
            answer = attempt(call)
        except Exception as error:  # a call that we cannot measure must not hide all others
            answer = Attempt(later=f"internal error: {error!r:.200}")
        write_message(answers, answer)


if __name__ == "__main__":
    try:
        main(sys.stdin.buffer, sys.stdout.buffer)
    except BrokenPipeError:  # our parent was killed: nobody wants the answer, nor what Python says at its end
        os._exit(1)
