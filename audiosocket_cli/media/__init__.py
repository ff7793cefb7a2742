"""Samples: slin and levels (`pcm`), audio files in (`files`), growing WAV files out (`wav`). No frames, no sockets."""
