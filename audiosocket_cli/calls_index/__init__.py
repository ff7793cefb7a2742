"""All calls of a folder, found again: an index beside their JSON files, from which it can be rebuilt at any time.

Nothing is written here while calls go on. A query looks at the names, sizes and times of all JSON files, and reads
those that are new or changed: so the index is right whoever records in the folder, in how many processes, and whatever
died.
"""
