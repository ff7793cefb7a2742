"""One live call: a session that turns bytes into frames and back, what we say (sources, paced), and its observers
(taps).

    wire -> Reader -> Receiver -> TapQueue -> taps         source, pacer -> Sender -> wire

A session has no event loop: it is told when there is something to read and when to wake, so tests drive it over a fake
wire in no time. `session` says how it works; `driver` connects it to asyncio.
"""
