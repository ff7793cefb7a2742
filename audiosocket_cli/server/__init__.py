"""A server for many calls: admission, limits, processes, notifications.

server        its beginning and its end; options: what it is asked for; account: what came of connections and calls
intake        connections as they come; proxied: those that a proxy carries; refusals: those that are turned away
calls         each call to the end of all that belongs to it; after_calls, hooks: the commands run for it
admission     who may call; uuid_list: a file of them; reloading: read again; limits: how many
workers       several processes as one; worker_process: one of them, seen from outside; worker: from inside
readiness     starting, ready, draining, stopping; drain: the time that calls have then; systemd: who is told
monitoring    what is answered to those who watch; metrics: what is counted for them; exporter: for Prometheus
service       what a server begins with; log_limiter: a log that a flood does not fill
"""
