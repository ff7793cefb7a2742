"""Bots, which answer calls: their common interface, a program, a function, and a WebSocket.

bot           a source and a tap with a life of its own
program       a program as a bot; streams: what it hears and says; speech_queue: what waits to be said
error_log     what a program writes to its standard error
child         its four descriptors; watch: which programs have something for us
bridge        a bot that is reached by a WebSocket; bridge_dialling: how; bridge_dialect, bridge_twilio, bridge_raw,
              bridge_chan_websocket: what each protocol makes of it; bridge_pace: when it is waited for
function      an async function in Python as a bot; loading: how it is found; block_watch: whether it blocks the loop
bot_call      a call as such a function sees it; line: what it says and hears; ear: what it has not read yet
answer_pacer  when it may answer at once
process       its process group; lifetime: how long it may live
"""
