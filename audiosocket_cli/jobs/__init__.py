"""The jobs of commands: which calls, what is played and kept, how they are shown and judged.

job           what is done with calls, placed or answered, and its run; outcome: what came of it, and its exit code
outputs       what calls are kept in, and what is played to them, checked first; answering: a server for a command
record, play, talk, inject_dtmf, replay, serve, proxy, bench, check      the job of each command, made of its options
bridge           the WebSocket bot of `serve`; own_server: a server that the command starts
replay_suite     many captures at once; replay_cases: which; expectation: what is compared
check_report     several results of `check`; reports: files that are written at the end
"""
