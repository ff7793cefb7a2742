"""What a call was like, live or captured: places in time, arrivals, levels, rows, findings, comparison. No asyncio.

steps           what a gap, jitter and a burst are
timeline        where audio has its place in a call; `drift` follows the peer's clock there
arrivals        how audio arrives: its jitter, its pace, an excerpt of its bytes
side_stats      what one side sent: frames, audio, levels; live calls and captures
side_measure    what one side sent and how it arrived: the one measure of calls, live or captured
side_figures    the same of a captured call, with what only a capture can tell: drift, spacing, lost bytes
histogram       distributions of times

selection       which calls, sides, kinds and times of a capture are wanted
rows            one side's audio to rows that people can read; `call_rows` puts those of a call in order
call_findings   what is wrong with a captured call
call_review     a captured call: its rows, figures and findings; `reviewing`: all calls of a capture
dumping         the pipeline of `dump`, through all of these
compare         two answers held against each other
"""
