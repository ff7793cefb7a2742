"""A server for many calls: admission, limits, processes, notifications.

server        its beginning and its end; options: what is asked of it; account: what came of connections and calls
common        what all parts of it use
intake        connections as they come; proxied: those that a proxy carries; refusals: those that are turned away
calls         each call to the end of all that belongs to it; after_calls, hooks: the commands run for it
admission     who may call; uuid_list: a file of them; reloading: read again; limits: how many
variables     what is known of who calls
call_news     what a process reports of its calls; call_list: the calls of all processes, for the API
watching      levels and sound of calls for pages, with listening; watched_calls, listened_call: their side of the calls
api           the HTTP API: where it listens, and who may ask; api_routes: its answers
serving       a server as a library
workers       several processes as one; worker_process: one of them, for the parent; worker: the child itself
readiness     starting, ready, draining, stopping; drain: the time that calls have then; systemd: notified of it
monitoring    HTTP answers; metrics: what is counted for them; exporter: in the format of Prometheus
relaying      calls passed on; targets: to which server; gate: the port while none is up; loops: calls that come back
mirroring     the mirror of such calls; comparing: how its answers differ
service       what a server starts with; log_limiter: keeps a flood out of the log
"""
