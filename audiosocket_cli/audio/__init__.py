"""Samples: slin, levels, tones, rates, digits; files, pipes and sound cards. No frames, no sockets."""
