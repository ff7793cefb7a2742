"""What servers of object stores in tests have in common."""

from __future__ import annotations

from support.server_process import ServerProcess

BUCKET = "calls"


class StoreProcess(ServerProcess):
    """A store with a bucket."""

    scheme = "s3"

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """A bucket of it that exists."""
        return f"{self.scheme}://{BUCKET}"
