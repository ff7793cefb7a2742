"""Frames at rest: captures in four formats, read as one, and written.

    opening       one way in, which knows each format by its content; joining: several captures as one
    window        the input as it comes; packing: unpacked; foreign: what is not a capture, named with the cure
    items         what a capture consists of: calls, frames, remarks, losses, ends; runs: frames alike, as arrays
    pcapng, pcap  blocks and records, packets in them
    packets       links, IP and TCP headers; layers: tags and tunnels between them
    tcp           segments to streams; streams: what these hold; connection, connections: which are calls, and whose;
                  undecided: what came before that is known; call_items: what comes once it is
    jsonl         an item a line; scripts written by hand
    raw           one direction's bytes, with no times but the media's
    resync        where frames begin again after damage or loss
    writing       where live captures go; trace: a connection on its way there; conversation: packets that never were

`audiosocket.lua` shows the same to Wireshark.

A capture is read once, forwards, in constant memory. What is damaged or missing is an item like any other.
"""
