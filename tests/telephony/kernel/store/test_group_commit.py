"""The group-committing writer under random interleavings of jobs, on both databases.

Whatever the mixture: exactly the jobs that succeeded are visible, each caller gets its own result, and the
jobs of one caller run in the order it gave them.
"""

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, delete, insert, select
from sqlalchemy.exc import IntegrityError

from telephony.kernel.errors import Conflict
from telephony.kernel.store import Store
from telephony.kernel.store import store as store_module
from telephony.kernel.store.schema import timeline
from tests.support.scale import scale

pytestmark = pytest.mark.wire

SAME_KEY = -1
"""The place of a row that is there already."""


@dataclass(frozen=True)
class Plain:
    """Writes one row in two steps and may fail before, between or after them."""

    caller: int
    place: int
    fault: str
    ran: list[tuple[int, int]]

    def __call__(self, tx: Connection) -> tuple[int, int]:
        self.ran.append((self.caller, self.place))
        if self.fault == "before":
            raise Conflict("before")
        add(tx, self)
        if self.fault == "after":
            raise Conflict("after")
        if self.fault == "same key":
            tx.execute(insert(timeline).values(row(self.caller, SAME_KEY)))
        return self.caller, self.place


@dataclass(frozen=True)
class Batch(Plain):
    """The same with company."""

    order: ClassVar[int] = 0

    @classmethod
    def together(cls, tx: Connection, jobs: Sequence[Self]) -> list[tuple[int, int]]:
        return [job(tx) for job in jobs]


@dataclass(frozen=True)
class LateBatch(Batch):
    """Another type with company, which goes after all others."""

    order: ClassVar[int] = 7


Step = tuple[type[Plain], str]
steps = st.tuples(
    st.sampled_from([Plain, Plain, Batch, LateBatch]),
    st.sampled_from(["", "", "", "before", "after", "same key"]),
)
callers = st.lists(st.lists(steps, min_size=1, max_size=6), min_size=1, max_size=8)


def row(caller: int, place: int) -> dict[str, object]:
    key = caller.to_bytes(16, "big")
    return {
        "resource": key,
        "interaction": key,
        "at": place,
        "seq": 0,
        "node": key,
        "source": "test",
        "kind": "test",
    }


def add(tx: Connection, job: Plain) -> None:
    tx.execute(insert(timeline).values(row(job.caller, job.place)))


def visible(tx: Connection) -> set[tuple[int, int]]:
    query = select(timeline.c.resource, timeline.c.at).where(timeline.c.at != SAME_KEY)
    return {(int.from_bytes(caller, "big"), place) for caller, place in tx.execute(query)}


@dataclass(frozen=True)
class Prepare:
    """Empties the table, but for one row a caller that a fault will collide with."""

    count: int

    def __call__(self, tx: Connection) -> None:
        tx.execute(delete(timeline))
        tx.execute(insert(timeline), [row(caller, SAME_KEY) for caller in range(self.count)])


def check_result(caller: int, place: int, fault: str, result: object) -> None:
    if fault == "":
        assert result == (caller, place)
    elif fault == "same key":
        assert isinstance(result, IntegrityError)
    else:
        assert isinstance(result, Conflict)
        assert result.message == fault


async def play(store: Store, script: list[list[Step]], *, in_turn: bool) -> None:
    """Let each caller ask for its jobs, one after the other or all at once, and check everything promised."""
    await store.write(Prepare(len(script)))
    ran: list[tuple[int, int]] = []

    async def call(caller: int, jobs: list[Step]) -> None:
        made = [kind(caller, place, fault, ran) for place, (kind, fault) in enumerate(jobs)]
        if in_turn:
            results = [(await asyncio.gather(store.write(job), return_exceptions=True))[0] for job in made]
        else:
            results = await asyncio.gather(*(store.write(job) for job in made), return_exceptions=True)
        for place, (job, result) in enumerate(zip(made, results, strict=True)):
            check_result(caller, place, job.fault, result)

    await asyncio.gather(*(call(caller, jobs) for caller, jobs in enumerate(script)))
    assert await store.read(visible) == {
        (caller, place)
        for caller, jobs in enumerate(script)
        for place, (_, fault) in enumerate(jobs)
        if fault == ""
    }
    for caller, jobs in enumerate(script):
        plain = [place for place, (kind, _) in enumerate(jobs) if in_turn or kind is Plain]
        order = [place for who, place in ran if who == caller and place in plain]
        assert [place for place, _ in itertools.groupby(order)] == plain


@pytest.fixture
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups of few jobs, so that scripts cross their borders."""
    monkeypatch.setattr(store_module, "MAX_GROUP", 5)


@pytest.mark.usefixtures("small_groups")
@pytest.mark.parametrize("in_turn", [True, False], ids=["in turn", "at once"])
def test_exactly_what_succeeded_is_kept_and_told_to_whom_it_concerns(store: Store, in_turn: bool) -> None:
    @settings(
        max_examples=scale(25, 2000),
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(callers)
    def holds(script: list[list[Step]]) -> None:
        asyncio.run(play(store, script, in_turn=in_turn))

    holds()
