"""The store: one schema on SQLite or PostgreSQL, one thread that writes in groups, a few that read."""

from telephony.kernel.store.jobs import BatchJob, Job
from telephony.kernel.store.schema import Identifier, Microseconds, metadata
from telephony.kernel.store.store import Store

__all__ = ["BatchJob", "Identifier", "Job", "Microseconds", "Store", "metadata"]
