"""Load: many calls placed at once, what a server makes of them, and a verdict.

load, speech, marks, schedule   when calls are placed, what they say, and when each frame is due
caller, meter, turns            one call, and what is measured in it; these need no event loop
figures, series                 what is counted, in all and over time
generator, processes            driving the calls, in one process and in several; placing: what such processes share
plan, result, verdict, limit    what is asked for, what came of it, and how that is judged
usage                           CPU and memory of a server on this machine
locust                          the callers as Locust's users: ordered_calls places them in a process, which
                                locust_callers runs; locust_load adds up all workers, locust_verdict judges
"""
