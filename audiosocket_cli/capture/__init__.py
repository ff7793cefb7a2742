"""Frames at rest: captures in four formats, read as one, and written.

    opening       one way in, which knows each format by its content; window: the input as it comes, packed or not
    items         what a capture consists of: calls, frames, remarks, losses, ends; runs: frames alike, as arrays
    pcapng, pcap  blocks and records, packets in them
    packets       links, IP and TCP headers; tcp: segments to streams; connections: streams to calls
    jsonl         an item a line; scripts written by hand
    raw           one direction's bytes, with no times but the media's
    resync        where frames begin again after damage or loss
    writing       where live captures go; trace: a connection on its way there; conversation: packets that never were

`audiosocket.lua` shows the same to Wireshark.

A capture is read once, forwards, in constant memory. What is damaged or missing is an item like any other.
"""
