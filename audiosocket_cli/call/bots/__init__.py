"""Bots, which answer calls: their common interface, and the bot that runs a program.

bot           a source and a tap with a life of its own
program       a program as a bot; streams: what it hears and says; speech_queue: what waits to be said
error_log     what a program writes to its standard error
child         its four descriptors; watch: which programs have something for us
process       its process group; lifetime: how long it may live
"""
