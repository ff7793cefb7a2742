"""A call on disk: its samples in true time, and the files that they go to."""
