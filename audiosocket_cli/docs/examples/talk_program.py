#!/usr/bin/env python3
"""A program to talk to: audiosocket serve --exec-rate 8000 --exec ./talk_program.py"""

import collections
import json
import os
import select
import sys

from smalltalk import Conversation, Ears, Reply, speak

events = os.fdopen(int(os.environ["AUDIOSOCKET_EVENTS_FD"]), "r+b", buffering=0)
pressed: collections.deque[str] = collections.deque()


def command(**what: object) -> None:
    events.write(json.dumps(what).encode() + b"\n")


def next_event() -> str:
    event = json.loads(events.readline() or b'{"event": "hangup"}')
    if event["event"] == "hangup":
        sys.exit()  # the call is over
    if event["event"] == "digit":
        pressed.append(event["digit"])
    return str(event["event"])


def hush() -> None:
    """Drop what has not been said yet; what is written from then on is played."""
    command(flush=True)
    while next_event() != "flushed":
        pass


def say(reply: Reply) -> None:
    sys.stdout.buffer.write(speak(reply.text))
    sys.stdout.buffer.flush()
    if reply.result is not None:
        command(hangup=True, result=reply.result)
        sys.exit()  # the rest is played, then the call is hung up


ears, conversation = Ears(), Conversation()
say(conversation.begin())
while True:
    readable, _, _ = select.select([sys.stdin, events], [], [])
    if events in readable:
        next_event()
    while pressed:
        hush()
        say(conversation.press(pressed.popleft()))
    if sys.stdin in readable:
        samples = os.read(sys.stdin.fileno(), 4096)  # what there is of the caller, mostly 20 ms
        if not samples:
            break
        for word in ears.hear(samples, conversation.expected):
            if word is None:
                hush()  # the caller interrupts
            else:
                say(conversation.answer(word))
