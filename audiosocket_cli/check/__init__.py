"""Does a server survive Asterisk? Cases with short calls, one requirement and one verdict each.

The order of the files: `model` (a case, what was observed, a report), `evidence` (what passed, with times), `probe` (a
caller who sends bytes as a case cuts them), `sounds` and `speech` (what it says), `uuids` (who it says it is), `trial`
(one attempt at a case), `nature` (what the server does in a plain call), `conversation` (turns), `cases/` (one file a
group: a table that reads as a specification), `catalogue` (all of them), `websocket`
(which of them are for WebSocket bots), `subject` (the server's own process),
`running`, `results`, `junit`.
"""
