"""The sources of a call's outgoing audio: silence, sounds, keys, replays of captures and scripts."""
