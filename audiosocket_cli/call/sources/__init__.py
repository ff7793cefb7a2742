"""What we say in a call: silence, sounds, keys, what was captured, the steps of a script."""
