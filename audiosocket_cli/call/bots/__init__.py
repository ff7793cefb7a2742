"""Bots, which answer calls: their common interface, the bot that runs a program, and that which is a function.

bot           a source and a tap with a life of its own
program       a program as a bot; streams: what it hears and says; speech_queue: what waits to be said
error_log     what a program writes to its standard error
child         its four descriptors; watch: which programs have something for us
function      an async function in Python as a bot; loading: how it is found; block_watch: whether it blocks the loop
bot_call      a call as such a function sees it; line: what it says and hears; ear: what it has not read yet
answer_pacer  when it may answer at once
process       its process group; lifetime: how long it may live
"""
