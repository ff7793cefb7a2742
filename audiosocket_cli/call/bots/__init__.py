"""Bots, which are one end of a call: a program, a function, a WebSocket bot, and somebody with a headset.

bot           the interface of all: a source and a tap with a life of its own
speaker       what the first three say; speech_queue: what waits to be said
streams       what all of them hear

program       a program as a bot
child         its four descriptors; watch: which programs have something for us
error_log     what it writes to its standard error
process       its process group; lifetime: how long it may live

function      an async function in Python as a bot; loading: how it is found; block_watch: whether it blocks the loop
bot_call      a call as such a function sees it; line: what it says and hears; ear: what it has not read yet
answer_pacer  when it may answer at once

bridge        a WebSocket bot; bridge_dialling: where it is, and how to connect; bridge_pace: when it is waited for
bridge_dialect   what the protocols have in common; bridge_twilio, bridge_chan_websocket, bridge_raw: one each

talker        somebody who talks; sound_ends: microphone and loudspeaker, or files in their place
typed_keys    the keys that they type; turn_clock: how fast they are answered
"""
