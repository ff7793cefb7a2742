"""All calls of a folder, found again: an index beside them, made from their JSON at any time."""
