"""Pages to look at: a call, a day, a bench, a check. Each is one file, which opens from disk and needs nothing else."""
