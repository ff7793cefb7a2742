"""Messages of the WebSocket protocols that voice bots speak, and one connection. It knows no calls.

messages        what is in all of them: a message, and what a bot wants
twilio          Twilio's Media Streams, from Twilio's side
chan_websocket  the protocol of Asterisk's channel driver, from its side
raw             raw samples, with events and commands as text
url             where a bot is, as people write it
outbox          messages that wait to be sent
headers         headers of the handshake, as people write them
connecting      TCP and TLS under a connection
handshake       what opens a connection, and why a server says no
link            one connection to a bot; this and the handshake alone need the websockets library
"""
