"""Listening and dialling: the event loop, addresses, placed calls, a gateway to WebSocket bots, a small HTTP server."""
