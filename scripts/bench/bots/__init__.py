"""Bots that speak WebSocket, to measure bridges with, and the shortest bridge that there is: each a program."""
