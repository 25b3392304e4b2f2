"""Where a worker listens for the gateway. Apart from the worker, which needs pjsip."""

from pathlib import Path


def socket_path(folder: str, worker: int) -> Path:
    """Return the path of a worker's socket."""
    return Path(folder) / f"worker-{worker}.sock"
