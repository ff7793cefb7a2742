"""Messages of the WebSocket protocols that voice bots speak, and one connection. It knows no calls.

messages        what is in all of them: a message, and what a bot wants
twilio          Media Streams, from the phone's side
chan_websocket  the same of Asterisk's channel driver
raw             samples as they are, with events and commands as text
url             where a bot is, as people write it
outbox          messages that wait to be sent
handshake       what opens a connection, and why a server says no
link            a connection to a bot; this and the handshake alone need the websockets library
"""
