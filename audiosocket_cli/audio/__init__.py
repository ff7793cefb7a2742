"""Samples: slin, levels, tones, rates, digits; files and pipes of them. No frames, no sockets."""
