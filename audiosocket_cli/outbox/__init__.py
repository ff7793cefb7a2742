"""What has to reach others, and waits on disk until they have it: recordings for an object store, events for a bus.

call_files    the files of a call that is over
waiting       what waits: calls, events, and figures of both
lock_file     a file that is locked for as long as a process lives
processes     the processes that use a spool, and those that died
spool_file    the SQLite file of a spool: opened, made, or refused in one line
batches       changes of that file, committed together on a thread of their own; news: who is woken by that
line_limiter  lines that could come in floods
spool_tables  what each change does to the tables
hand_out      what is out for delivery, and what is held back until later
spool         all of it as one: put by many processes, handed out to one
reconcile     calls whose process died: found by their files, and by their events
back_off      how long to wait before the next try
bus           what events are sent to, as their sender sees it, and what came of one try
event_sender  sends events: in order for each call, many calls at once
event_size    events that are too large are shortened
event_target  the URL of `--events`
webhook       a bus: one signed POST for each event; webhook_secret: its secrets and signatures
nats_bus      a bus: NATS JetStream
courier       the life of it all in a process
"""
