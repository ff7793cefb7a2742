"""Frames at rest: captures in four formats, read as one, and written.

    opening     one `open_capture` that knows each format by its content
    items       what a capture consists of: calls, frames, remarks, losses, ends
    pcapng      blocks in and out; pcap: records in
    packets     links, IP and TCP headers; tcp: segments to streams; connections: streams to calls
    conversation  a live connection as TCP packets that never were
    jsonl       an item a line; scripts written by hand
    raw         one direction's bytes, with no times but the media's
    resync      where frames begin again after damage or loss

A capture is read once, forwards, in constant memory. What is damaged or missing is an item like any other.
"""
