"""Does a server survive Asterisk? Small calls, each with one requirement, and a verdict for each.

The order of the files: `model` (a case, what was observed, a report), `evidence` (what passed, with times), `probe` (a
caller who sends bytes as a case cuts them), `sounds` (what it says), `trial` (one attempt at a case), `nature` (what
the server does in a plain call), `cases/` (one file a group: a table that reads as a specification), `catalogue` (all
of them), `selection`, `subject` (the server's own process), `running`, `result_json`, `junit`.
"""
