"""One live call: a session that turns bytes into frames and back, what we say (sources, paced), and who watches (taps).

    wire -> Session -> taps          sources -> pacer -> Session -> wire

A session owns no clock and no loop: it is told when there is something to read and when to wake, so tests drive it over
a fake wire in no time. `driver` connects one to asyncio.
"""
