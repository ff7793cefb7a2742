"""Looks at one Asterisk: its release, modules, dialplan, channels, connections and log."""
