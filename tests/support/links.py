"""A host between two others that delays packets, loses some, and sends no faster than its line: a bad network.

Each host is a network namespace; this process is the one between them, and hands on what the kernels of both send. So
TCP is the real one, and so is what it does about a packet that never comes.
"""

from __future__ import annotations

import argparse
import ctypes
import fcntl
import json
import os
import random
import select
import socket
import struct
import sys
import time
from collections import deque
from dataclasses import dataclass, field

CALLER, SERVER = "10.9.0.1", "10.9.0.2"
"""The addresses of the two hosts, the same on every link: nothing else is on it."""

QUEUE_BYTES = 16_000
"""What may wait for the line; a packet for which there is no room is dropped."""

AUDIO_BYTES = 320
"""A larger packet has audio in it: that of a frame of slin, beside the headers of all."""

_CLONE_NEWNET = 0x40000000
_TUNSETIFF = 0x400454CA
_TUN_WITHOUT_HEADER = 0x1001  # IFF_TUN | IFF_NO_PI
_SIOCSIFFLAGS, _SIOCSIFADDR, _SIOCSIFDSTADDR = 0x8914, 0x8916, 0x8918
_UP = 0x1
_DEVICE = b"link"
_PACKET_BYTES = 65536


@dataclass
class Line:
    """One direction: what is on its way, and what became of all that was."""

    delay_s: float
    loss: float
    rate: float
    """Bits a second; infinite when 0."""
    chance: random.Random
    packets: int = 0
    lost: int = 0
    """By chance."""
    dropped: int = 0
    """There was no room in the queue."""
    worst_wait_s: float = 0.0
    """The longest that a packet waited for the line."""
    worst_pause_s: float = 0.0
    """The longest between two packets with audio that came out of it."""
    last_s: float = 0.0
    on_way: deque[tuple[float, float, bytes]] = field(default_factory=deque)
    """When it leaves the queue, when it arrives, and the packet."""
    free_s: float = 0.0
    """When the line has sent all that waits for it."""

    def take(self, packet: bytes, now_s: float) -> None:
        self.packets += 1
        if self.chance.random() < self.loss:
            self.lost += 1
            return
        begins_s = max(now_s, self.free_s)
        if self.rate:
            waiting = sum(len(other) for leaves_s, _, other in self.on_way if leaves_s > now_s)
            if waiting + len(packet) > QUEUE_BYTES:
                self.dropped += 1
                return
            self.free_s = begins_s + len(packet) * 8 / self.rate
        leaves_s = max(begins_s, self.free_s)
        self.worst_wait_s = max(self.worst_wait_s, begins_s - now_s)
        self.on_way.append((leaves_s, leaves_s + self.delay_s, packet))

    def due(self, now_s: float) -> bytes | None:
        if not self.on_way or self.on_way[0][1] > now_s:
            return None
        _, _, packet = self.on_way.popleft()
        if len(packet) > AUDIO_BYTES:
            self.worst_pause_s = max(self.worst_pause_s, now_s - (self.last_s or now_s))
            self.last_s = now_s
        return packet

    def told(self) -> dict[str, float]:
        return {name: getattr(self, name) for name in ("packets", "lost", "dropped", "worst_wait_s", "worst_pause_s")}


def device(pid: int, own: str, other: str) -> int:
    """Enter the network of a process, and make a device there that leads to the other host; returns its descriptor."""
    with open(f"/proc/{pid}/ns/net") as network:
        if ctypes.CDLL(None, use_errno=True).setns(network.fileno(), _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, _TUNSETIFF, struct.pack("16sH22x", _DEVICE, _TUN_WITHOUT_HEADER))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for request, address in ((_SIOCSIFADDR, own), (_SIOCSIFDSTADDR, other)):
            inet = struct.pack("H2x4s8x", socket.AF_INET, socket.inet_aton(address))
            fcntl.ioctl(any_socket, request, struct.pack("16s16s8x", _DEVICE, inet))
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH22x", _DEVICE, _UP))
    return tun


def main() -> None:
    """Be the link between the networks of two processes until standard input ends; then tell what became of packets."""
    parser = argparse.ArgumentParser()
    for name in ("caller_pid", "server_pid"):
        parser.add_argument(name, type=int)
    for name in ("--delay-ms", "--loss-percent", "--kbit"):
        parser.add_argument(name, type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()

    ends = device(given.caller_pid, CALLER, SERVER), device(given.server_pid, SERVER, CALLER)
    out, back = (
        Line(given.delay_ms / 1000, given.loss_percent / 100, given.kbit * 1000, random.Random(given.seed + number))
        for number in (0, 1)
    )
    poll = select.poll()
    for fd in (*ends, sys.stdin.fileno()):
        poll.register(fd, select.POLLIN)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        arrivals_s = [line.on_way[0][1] for line in (out, back) if line.on_way]
        wait_s = max(0.0, min(arrivals_s, default=time.monotonic() + 60) - time.monotonic())
        ready = {fd for fd, _ in poll.poll(wait_s * 1000)}
        if sys.stdin.fileno() in ready:
            break
        now_s = time.monotonic()
        for line, source, target in ((out, *ends), (back, *ends[::-1])):
            while source in ready and (packet := _read(source)):
                if packet[0] >> 4 == 4:  # a device that comes up also says things in IPv6
                    line.take(packet, now_s)
            while packet := line.due(now_s):
                os.write(target, packet)
    sys.stdout.write(json.dumps({"out": out.told(), "back": back.told()}) + "\n")


def _read(tun: int) -> bytes:
    try:
        return os.read(tun, _PACKET_BYTES)
    except BlockingIOError:
        return b""


if __name__ == "__main__":
    main()
