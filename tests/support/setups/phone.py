"""A SIP phone, as a program: `python phone.py EXTENSION CODEC 'talk 2, hold 3, talk 1'` calls, does so and hangs up.

    talk S      a tone of 440 Hz
    quiet S     silent frames, as in a quiet room
    pause S     no packets at all
    hold S      puts the other side on hold, as a phone does: by an offer that only sends, and no packets
    noise S     comfort noise (RFC 3389) in the place of silence: a packet each 200 ms
    digit D     a digit as RFC 4733 has it, 100 ms

It prints `answered`, or `refused CODE`; and `hung up` when the other side ends the call.
"""

from __future__ import annotations

import random
import re
import select
import socket
import struct
import sys
import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

SIP_PORT, RTP_PORT = 5070, 4000
CODECS = {"ulaw": (0, "PCMU/8000"), "alaw": (8, "PCMA/8000")}
_BIASED = 0x84


def to_ulaw(samples: NDArray[np.int16]) -> bytes:
    """Return samples as µ-law (G.711)."""
    size = np.minimum(np.abs(samples.astype(np.int32)), 32635) + _BIASED
    exponent = np.floor(np.log2(size)).astype(np.int32) - 7
    coded = (exponent << 4) | ((size >> (exponent + 3)) & 15) | np.where(samples < 0, 0x80, 0)
    return bytes((~coded & 0xFF).astype(np.uint8))


def to_alaw(samples: NDArray[np.int16]) -> bytes:
    """Return samples as A-law (G.711)."""
    size = np.minimum(np.abs(samples.astype(np.int32)), 32767) >> 4
    exponent = np.maximum(np.floor(np.log2(np.maximum(size, 1))).astype(np.int32) - 4, 0)
    low = np.where(exponent == 0, size >> 1, size >> exponent) & 15
    coded = np.where(size < 32, size >> 1, ((exponent) << 4) | low)
    return bytes(((coded | np.where(samples < 0, 0, 0x80)) ^ 0x55).astype(np.uint8))


class Phone:
    """One call of it."""

    def __init__(self, extension: str, codec: str) -> None:
        self.number, self.name = CODECS[codec]
        self.encode = {"ulaw": to_ulaw, "alaw": to_alaw}[codec]
        self.sip = self._socket(SIP_PORT)
        self.rtp = self._socket(RTP_PORT)
        self.target = f"sip:{extension}@127.0.0.1"
        self.call_id = f"{random.getrandbits(64):x}"
        self.to = f"<{self.target}>"
        self.sequence = 0
        self.version = 0
        self.there = ("127.0.0.1", 0)
        self.packet = random.getrandbits(15)
        self.stamp = random.getrandbits(31)
        self.source = random.getrandbits(32)
        self.is_over = False

    @staticmethod
    def _socket(port: int) -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind(("127.0.0.1", port))
        return made

    # Signalling.

    def invite(self, direction: str) -> None:
        """Offer a call, or another direction of its audio; wait for the answer and take it."""
        self.version += 1
        offer = "\r\n".join([
            "v=0", f"o=phone 1 {self.version} IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0",
            f"m=audio {RTP_PORT} RTP/AVP {self.number} 13 101", f"a=rtpmap:{self.number} {self.name}",
            "a=rtpmap:13 CN/8000", "a=rtpmap:101 telephone-event/8000", "a=ptime:20", f"a={direction}", "",
        ])  # fmt: skip
        self.sequence += 1
        self.request("INVITE", offer)
        answer = self.wait_for_answer()
        code = int(answer.split()[1])
        self.to = header(answer, "To")
        self.request("ACK")
        if code != 200:
            print(f"refused {code}", flush=True)
            sys.exit(1)
        port = re.search(r"^m=audio (\d+)", answer, re.MULTILINE)
        self.there = ("127.0.0.1", int(port[1]) if port else 0)
        contact = re.search(r"<(.*?)>", header(answer, "Contact"))
        self.target = contact[1] if contact else self.target

    def request(self, method: str, body: str = "") -> None:
        lines = [
            f"{method} {self.target} SIP/2.0",
            f"Via: SIP/2.0/UDP 127.0.0.1:{SIP_PORT};branch=z9hG4bK{random.getrandbits(48):x}",
            "Max-Forwards: 70", f"From: <sip:phone@127.0.0.1>;tag={self.call_id[:6]}", f"To: {self.to}",
            f"Call-ID: {self.call_id}", f"CSeq: {self.sequence} {method}", f"Contact: <sip:phone@127.0.0.1:{SIP_PORT}>",
            *(["Content-Type: application/sdp"] if body else []), f"Content-Length: {len(body)}", "", body,
        ]  # fmt: skip
        self.sip.sendto("\r\n".join(lines).encode(), ("127.0.0.1", 5060))

    def wait_for_answer(self) -> str:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if select.select([self.sip], [], [], 0.5)[0]:
                text = self.sip.recv(65536).decode()
                if not text.startswith("SIP/2.0"):
                    self.obey(text)
                elif int(text.split()[1]) >= 200 and header(text, "CSeq") == f"{self.sequence} INVITE":
                    return text
        print("refused 408", flush=True)
        sys.exit(1)

    def obey(self, text: str) -> None:
        """Do what the other side asks for."""
        copied = [
            f"{name}: {value}" for name in ("Via", "From", "To", "Call-ID", "CSeq") for value in headers(text, name)
        ]
        method = text.split()[0]
        if method == "BYE":
            self.is_over = True
        if method != "ACK":
            answer = ["SIP/2.0 200 OK", *copied, "Content-Length: 0", "", ""]
            self.sip.sendto("\r\n".join(answer).encode(), ("127.0.0.1", 5060))

    # Sound.

    def send(self, number: int, payload: bytes, samples: int, marked: bool = False) -> None:
        self.packet = (self.packet + 1) & 0xFFFF
        first = struct.pack(
            ">BBHII", 0x80, number | (0x80 if marked else 0), self.packet, self.stamp & 0xFFFFFFFF, self.source
        )
        self.rtp.sendto(first + payload, self.there)
        self.stamp += samples

    def do(self, step: str, value: str) -> None:
        if step == "digit":
            self.digit(value)
            return
        if step == "hold":
            self.invite("sendonly")
        for n in self.ticks(float(value)):
            if step in ("talk", "quiet"):
                times = np.arange(160) + 160 * n
                tone = 7000 * np.sin(2 * np.pi * 440 / 8000 * times) * (step == "talk")
                self.send(self.number, self.encode(tone.astype(np.int16)), 160)
            elif step == "noise" and n % 10 == 0:
                self.send(13, b"\x46", 1600)
        if step == "hold":
            self.invite("sendrecv")

    def digit(self, name: str) -> None:
        for n in self.ticks(0.16):
            event = struct.pack(">BBH", "0123456789*#".index(name), (0x80 if n > 4 else 0) | 10, 160 * min(n + 1, 6))
            self.send(101, event, 0, n == 0)
        self.stamp += 1280

    def ticks(self, seconds: float) -> Iterator[int]:
        began = time.monotonic()
        for n in range(round(seconds * 50)):
            while (left := began + n * 0.02 - time.monotonic()) > 0:
                if select.select([self.sip], [], [], left)[0]:
                    self.obey(self.sip.recv(65536).decode())
            if self.is_over:
                return
            yield n


def headers(text: str, name: str) -> list[str]:
    return re.findall(rf"^{name}: *(.*?)\r?$", text, re.MULTILINE | re.IGNORECASE)


def header(text: str, name: str) -> str:
    return (headers(text, name) or [""])[0]


def main(extension: str, codec: str, script: str) -> None:
    phone = Phone(extension, codec)
    phone.invite("sendrecv")
    print("answered", flush=True)
    for part in script.split(","):
        if not phone.is_over:
            phone.do(*part.split())
    if phone.is_over:
        print("hung up", flush=True)
        return
    phone.sequence += 1
    phone.request("BYE")
    select.select([phone.sip], [], [], 2)


if __name__ == "__main__":
    main(*sys.argv[1:4])
