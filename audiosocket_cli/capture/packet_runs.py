"""Many packets at once: those that bring one frame each, as nearly all of a capture do, are looked at as arrays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from audiosocket_cli.capture.packets import ACK, FIN, IPV4_TYPE, MIN_WORDS, PLAIN_AT, RST, SYN, TCP
from audiosocket_cli.capture.pcap import Packet
from audiosocket_cli.codec import HEADER_BYTES

Numbers = NDArray[np.int64]

_HEADERS: Final = np.dtype(
    [
        ("first", "u1"), ("service", "u1"), ("length", ">u2"), ("number", ">u2"), ("fragment", ">u2"), ("hops", "u1"),
        ("protocol", "u1"), ("checksum", ">u2"), ("flow", "V12"), ("seq", ">u4"), ("ack", ">u4"), ("offset", "u1"),
        ("flags", "u1"),
    ]
)  # fmt: skip
"""A header of IPv4 without options, and the beginning of TCP's, as in `packets.plain_segment`."""

_IPV4_BYTES: Final = 20


class PacketRun(NamedTuple):
    """Successive packets of one link, without comments, where they stand in `data`: n of them, at least one."""

    link_type: int
    data: bytes
    begins: Numbers
    """Where each begins, shape (n,)."""
    ends: Numbers
    at_ns: Numbers
    """The time of each in ns since 1970, shape (n,)."""

    def packet(self, number: int) -> Packet:
        """Return one of them."""
        data = self.data[int(self.begins[number]) : int(self.ends[number])]
        return Packet(int(self.at_ns[number]), self.link_type, data)

    def packets(self) -> Iterator[Packet]:
        """Yield them one by one."""
        for at_ns, begin, end in zip(self.at_ns.tolist(), self.begins.tolist(), self.ends.tolist(), strict=True):
            yield Packet(at_ns, self.link_type, self.data[begin:end])


class FrameSegments(NamedTuple):
    """Segments with bytes that neither begin nor end anything, each of them a whole frame: n of them."""

    data: bytes
    at_ns: Numbers
    flows: NDArray[np.uint32]
    """The direction of each, as in `packets.Segment`, shape (n, 3)."""
    seqs: Numbers
    begins: Numbers
    """Where each frame begins in `data`, shape (n,)."""
    ends: Numbers

    def part(self, start: int, stop: int) -> FrameSegments:
        """Return some of them."""
        data, at_ns, flows, seqs, begins, ends = self
        some = slice(start, stop)
        return FrameSegments(data, at_ns[some], flows[some], seqs[some], begins[some], ends[some])

    def by_flow(self, most: int) -> tuple[list[bytes], Numbers]:
        """Return the directions that there are, and which of them each segment has, shape (n,): the first `most` of
        them, and -1 for segments of any other."""
        flows: list[bytes] = []
        which = np.full(len(self.flows), -1)
        while len(flows) < most and (which < 0).any():
            flow = self.flows[int(which.argmin())]
            which[(self.flows == flow).all(axis=1)] = len(flows)
            flows.append(flow.tobytes())
        return flows, which


def frame_segments(run: PacketRun) -> tuple[NDArray[np.bool_], FrameSegments]:
    """Return which packets of a run, shape (n,), bring one frame and nothing else, by `packets.plain_segment`; and all
    of them as such segments, which those that bring anything else are not."""
    data, begins, ends = run.data, run.begins, run.ends
    octets = np.frombuffer(data, np.uint8)
    at = begins + PLAIN_AT.get(run.link_type, len(data))
    is_plain = at + _HEADERS.itemsize <= ends
    at = np.minimum(at, len(data) - _HEADERS.itemsize)
    heads = sliding_window_view(octets, _HEADERS.itemsize)[at].view(_HEADERS)[:, 0]
    words = heads["offset"] >> 4
    payload_at = at + _IPV4_BYTES + words.astype(np.int64) * 4
    payload_ends = at + heads["length"]
    is_plain &= (heads["first"] == 0x45) & (heads["protocol"] == TCP) & (heads["fragment"] & 0x3FFF == 0)
    is_plain &= (heads["flags"] & (FIN | SYN | RST | ACK) == ACK) & (words >= MIN_WORDS)
    if PLAIN_AT.get(run.link_type):
        is_plain &= (octets[at - 2] == IPV4_TYPE[0]) & (octets[at - 1] == IPV4_TYPE[1])
    is_plain &= (payload_at + HEADER_BYTES <= payload_ends) & (payload_ends <= ends)
    near = np.minimum(payload_at, len(data) - HEADER_BYTES)
    sizes = octets[near + 1].astype(np.int64) << 8 | octets[near + 2]
    is_plain &= payload_at + HEADER_BYTES + sizes == payload_ends
    flows = np.ascontiguousarray(heads["flow"]).view(np.uint32).reshape(-1, 3)
    return is_plain, FrameSegments(data, run.at_ns, flows, heads["seq"].astype(np.int64), payload_at, payload_ends)
