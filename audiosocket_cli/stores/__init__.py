"""Object stores (S3, Google Cloud Storage, Azure Blob Storage): their URLs, what they hold, and new objects in them.

It knows objects by name, not calls. Blocking calls only, for threads: obstore waits in threads of its own, and lets go
of the interpreter while it does.
"""
