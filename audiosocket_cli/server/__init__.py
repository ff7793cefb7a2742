"""A server for many calls: admission, limits, processes, notifications.

server        its beginning and its end; options: what is asked of it; account: what came of connections and calls
common        what all parts of it use
intake        connections as they come; proxied: those that a proxy carries; refusals: those that are turned away
calls         each call to the end of all that belongs to it; after_calls, hooks: the commands run for it
admission     who may call; uuid_list: a file of them; reloading: read again; limits: how many
variables     what is known of who calls
call_news     what is told of calls as they go; call_list: all calls, for those who ask
api           who may ask, over HTTP; api_routes: what is answered
workers       several processes as one; worker_process: one of them, for the parent; worker: the child itself
readiness     starting, ready, draining, stopping; drain: the time that calls have then; systemd: notified of it
monitoring    HTTP answers; metrics: what is counted for them; exporter: in the format of Prometheus
service       what a server starts with; log_limiter: keeps a flood out of the log
"""
