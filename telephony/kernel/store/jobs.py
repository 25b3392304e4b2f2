"""What the writer thread takes: typed jobs."""

from collections.abc import Iterable, Sequence
from typing import ClassVar, Protocol, Self, TypeVar

from sqlalchemy import Connection

T_co = TypeVar("T_co", covariant=True)


class Job(Protocol[T_co]):
    """One unit of work on the database: any callable that takes the transaction.

    It may run twice (after a neighbour spoiled the group), so it touches nothing but the transaction. It
    neither commits nor rolls back; one that wants to survive an error of the database wraps the statement in
    `with tx.begin_nested():`, since PostgreSQL takes nothing more after an error until something is undone.
    """

    def __call__(self, tx: Connection, /) -> T_co:
        """Do the work; whatever is raised undoes this job alone and goes to whoever asked."""
        ...


class LockingJob(Protocol):
    """A job that changes rows which jobs of other gateways change as well, such as counters of a limit.

    On PostgreSQL a group takes the locks of all its jobs before the first of them runs, in one order: so two
    groups never each hold what the other waits for, in whatever order their jobs stand.
    """

    def locks(self) -> Iterable[int]:
        """Return the keys of what is changed: integers of 64 bits with a sign."""
        ...


class BatchJob(Job[T_co], Protocol[T_co]):
    """A job that is cheaper in company: the writer hands all of one type in a group over together."""

    order: ClassVar[int]
    """Where this type stands in a group: lower goes first. Plain jobs stand at 0, in order of arrival."""

    @classmethod
    def together(cls, tx: Connection, jobs: Sequence[Self]) -> Sequence[T_co]:
        """Do the work of all `jobs`, in order; one result each. When it raises, each is run alone."""
        ...
