"""What has to reach others, and waits on disk until they have it: recordings and events."""
