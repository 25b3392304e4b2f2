"""The store as callers see it, on both databases."""

import asyncio
import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import psycopg
import pytest
from sqlalchemy import Connection, Engine, func, insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from telephony.kernel.errors import Conflict, Unavailable
from telephony.kernel.store import Store
from telephony.kernel.store import store as store_module
from telephony.kernel.store.schema import bodies, nodes

pytestmark = pytest.mark.wire


@dataclass(frozen=True)
class AddNode:
    """Adds a row, then may raise."""

    number: int
    error: Exception | None = None

    def __call__(self, tx: Connection) -> int:
        tx.execute(insert(nodes).values(row(self.number)))
        if self.error is not None:
            raise self.error
        return self.number


@dataclass(frozen=True)
class AddTogether(AddNode):
    """The same, better in company."""

    order: ClassVar[int] = 1
    companies: ClassVar[list[int]] = []

    @classmethod
    def together(cls, tx: Connection, jobs: Sequence[Self]) -> list[int]:
        cls.companies.append(len(jobs))
        tx.execute(insert(nodes), [row(job.number) for job in jobs])
        for job in jobs:
            if job.error is not None:
                raise job.error
        return [job.number for job in jobs]


def row(number: int) -> dict[str, Any]:
    return {"id": number.to_bytes(16, "big"), "name": f"node {number}", "started": number, "lease_until": 1}


def numbers(tx: Connection) -> list[int]:
    return list(tx.execute(select(nodes.c.started).order_by(nodes.c.started)).scalars())


class Gate:
    """A job that holds the writer until it is opened, so that what comes meanwhile is one group."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()

    def __call__(self, tx: Connection) -> None:
        self.entered.set()
        assert self.opened.wait(10)


async def in_one_group(store: Store, jobs: Sequence[Callable[[Connection], Any]]) -> list[Any]:
    """Write jobs as one group and return what each gave or raised."""
    gate = Gate()
    first = asyncio.create_task(store.write(gate))
    await asyncio.to_thread(gate.entered.wait)
    tasks = [asyncio.create_task(store.write(job)) for job in jobs]
    await asyncio.sleep(0)
    gate.opened.set()
    await first
    return await asyncio.gather(*tasks, return_exceptions=True)


async def test_what_a_job_returns_comes_back_after_it_is_kept(store: Store) -> None:
    assert await store.write(AddNode(1)) == 1
    assert await store.read(numbers) == [1]


async def test_jobs_that_wait_are_committed_as_one_group(store: Store) -> None:
    before = store.groups
    assert await in_one_group(store, [AddNode(number) for number in range(20)]) == list(range(20))
    assert store.groups == before + 2  # the gate's own and theirs


async def test_a_job_that_raises_undoes_only_itself(store: Store) -> None:
    results = await in_one_group(store, [AddNode(1), AddNode(2, Conflict("no")), AddNode(3)])
    assert results[0] == 1
    assert isinstance(results[1], Conflict)
    assert results[2] == 3
    assert await store.read(numbers) == [1, 3]


async def test_a_job_that_raises_alone_leaves_nothing(store: Store) -> None:
    with pytest.raises(Conflict):
        await store.write(AddNode(1, Conflict("no")))
    assert await store.read(numbers) == []
    assert await store.write(AddNode(2)) == 2


async def test_a_key_that_exists_is_an_integrity_error_of_that_job_alone(store: Store) -> None:
    await store.write(AddNode(1))
    results = await in_one_group(store, [AddNode(2), AddNode(1), AddNode(3)])
    assert isinstance(results[1], IntegrityError)
    assert await store.read(numbers) == [1, 2, 3]
    with pytest.raises(IntegrityError):
        await store.write(AddNode(1))
    assert store.trouble is None


async def test_a_statement_that_is_wrong_is_the_jobs_own_fault(store: Store) -> None:
    def wrong(tx: Connection) -> None:
        tx.execute(text("SELECT nothing FROM nowhere"))

    results = await in_one_group(store, [AddNode(1), wrong, AddNode(2)])
    assert isinstance(results[1], DBAPIError)
    assert await store.read(numbers) == [1, 2]
    with pytest.raises(DBAPIError):
        await store.write(wrong)
    with pytest.raises(DBAPIError):
        await store.read(wrong)
    assert store.trouble is None


async def test_jobs_of_a_batch_type_are_handed_over_together(store: Store) -> None:
    AddTogether.companies.clear()
    jobs = [AddTogether(1), AddNode(2), AddTogether(3), AddNode(4), AddTogether(5)]
    assert await in_one_group(store, jobs) == [1, 2, 3, 4, 5]
    assert AddTogether.companies == [3]


async def test_when_a_batch_fails_each_of_its_jobs_runs_alone(store: Store) -> None:
    results = await in_one_group(store, [AddTogether(1), AddTogether(2, Conflict("no")), AddTogether(3)])
    assert results[0] == 1
    assert isinstance(results[1], Conflict)
    assert results[2] == 3
    assert await store.read(numbers) == [1, 3]


async def test_a_group_runs_in_the_order_its_types_ask_for(store: Store) -> None:
    ran: list[str] = []

    class Late:
        order = 5

        def __call__(self, tx: Connection) -> None:
            ran.append("late")

    class Early:
        order = -5

        def __call__(self, tx: Connection) -> None:
            ran.append("early")

    def first(tx: Connection) -> None:
        ran.append("first")

    def second(tx: Connection) -> None:
        ran.append("second")

    await in_one_group(store, [Late(), first, Early(), second])
    assert ran == ["early", "first", "second", "late"]


async def test_a_job_may_survive_an_error_inside_a_savepoint_of_its_own(store: Store) -> None:
    await store.write(AddNode(1))

    def careful(tx: Connection) -> str:
        try:
            with tx.begin_nested():
                AddNode(1)(tx)
        except IntegrityError:
            AddNode(2)(tx)
            return "was there"
        return "new"

    assert await store.write(careful) == "was there"
    assert (await in_one_group(store, [AddNode(3), AddNode(4)])) == [3, 4]
    assert await store.read(numbers) == [1, 2, 3, 4]


async def test_a_job_that_hides_an_error_is_never_taken_for_kept(postgresql_store: Store) -> None:
    def careless(tx: Connection) -> None:
        AddNode(1)(tx)
        try:
            tx.execute(text("SELECT nothing FROM nowhere"))
        except DBAPIError:
            return  # PostgreSQL would now answer COMMIT with a quiet ROLLBACK

    with pytest.raises(Exception, match="ended before its commit"):
        await postgresql_store.write(careless)
    results = await in_one_group(postgresql_store, [AddNode(2), careless, AddNode(3)])
    assert isinstance(results[1], psycopg.errors.InFailedSqlTransaction)
    assert await postgresql_store.read(numbers) == [2, 3]


async def test_a_job_that_ends_the_transaction_is_found_and_the_others_are_kept(store: Store) -> None:
    def spoiler(tx: Connection) -> None:
        tx.exec_driver_sql("ROLLBACK")
        raise ValueError("and now what?")

    jobs = [AddNode(1), AddNode(2), spoiler, AddNode(3), AddNode(4)]
    results = await in_one_group(store, jobs)
    assert [result for result in results if isinstance(result, int)] == [1, 2, 3, 4]
    assert isinstance(results[2], Exception)
    assert await store.read(numbers) == [1, 2, 3, 4]
    assert await store.write(AddNode(5)) == 5


async def test_an_error_that_no_future_can_carry_reaches_the_caller_all_the_same(store: Store) -> None:
    def careless(tx: Connection) -> int:
        return next(iter(()))

    results = await in_one_group(store, [AddNode(1), careless, AddNode(2)])
    assert isinstance(results[1], RuntimeError)
    assert results[::2] == [1, 2]


async def test_a_caller_that_goes_away_disturbs_nobody(store: Store) -> None:
    gate = Gate()
    first = asyncio.create_task(store.write(gate))
    await asyncio.to_thread(gate.entered.wait)
    gone = asyncio.create_task(store.write(AddNode(1)))
    stays = asyncio.create_task(store.write(AddNode(2)))
    await asyncio.sleep(0)
    gone.cancel()
    gate.opened.set()
    await first
    assert await stays == 2
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert await store.read(numbers) == [1, 2]  # a job once handed over is not taken back


async def test_a_loop_that_was_closed_disturbs_nobody(store: Store) -> None:
    gate = Gate()

    async def ask_and_go() -> None:
        task = asyncio.create_task(store.write(gate))
        await asyncio.to_thread(gate.entered.wait)
        task.cancel()

    await asyncio.to_thread(asyncio.run, ask_and_go())
    gate.opened.set()
    assert await store.write(AddNode(1)) == 1


async def test_a_queue_that_is_full_refuses_at_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "MAX_QUEUED", 3)
    gate = Gate()
    first = asyncio.create_task(store.write(gate))
    await asyncio.to_thread(gate.entered.wait)
    accepted = [asyncio.create_task(store.write(AddNode(number))) for number in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="behind"):
        await store.write(AddNode(9))
    gate.opened.set()
    await first
    assert await asyncio.gather(*accepted) == [0, 1, 2]
    assert await store.write(AddNode(9)) == 9


async def test_stopping_finishes_what_is_queued_and_refuses_what_comes_later(store: Store) -> None:
    gate = Gate()
    first = asyncio.create_task(store.write(gate))
    await asyncio.to_thread(gate.entered.wait)
    queued = [asyncio.create_task(store.write(AddNode(number))) for number in range(5)]
    await asyncio.sleep(0)
    stopping = asyncio.create_task(asyncio.to_thread(store.stop))
    gate.opened.set()
    await stopping
    await first
    assert await asyncio.gather(*queued) == list(range(5))
    with pytest.raises(Unavailable, match="closed"):
        await store.write(AddNode(9))
    with pytest.raises(Unavailable, match="closed"):
        await store.write_until_done(AddNode(9))
    with pytest.raises(Unavailable, match="closed"):
        await store.read(numbers)
    store.stop()


async def test_a_store_that_was_never_started_refuses_and_stops() -> None:
    store = Store("sqlite://")
    with pytest.raises(Unavailable, match="closed"):
        await store.write(AddNode(1))
    store.stop()


async def test_a_reader_cannot_write(store: Store) -> None:
    with pytest.raises(DBAPIError):
        await store.read(AddNode(1))
    assert await store.write(AddNode(2)) == 2
    assert await store.read(numbers) == [2]


async def test_a_reader_sees_one_moment(store: Store) -> None:
    began, go_on = threading.Event(), threading.Event()

    def count_twice(tx: Connection) -> tuple[int, int]:
        count = select(func.count()).select_from(nodes)
        first = tx.execute(count).scalar_one()
        began.set()
        assert go_on.wait(10)
        return first, tx.execute(count).scalar_one()

    reading = asyncio.create_task(store.read(count_twice))
    await asyncio.to_thread(began.wait)
    await store.write(AddNode(1))
    go_on.set()
    assert await reading == (0, 0)
    assert await store.read(numbers) == [1]


async def test_the_engine_itself_can_still_write_beside_the_store(store: Store) -> None:
    assert isinstance(store.engine, Engine)
    await store.read(numbers)
    with store.engine.begin() as tx:
        AddNode(1)(tx)
    assert await store.read(numbers) == [1]


PRIVATE = b"a private text"


async def test_an_error_of_the_database_does_not_quote_what_was_written(store: Store) -> None:
    def twice(tx: Connection) -> None:
        row = {"resource": b"r" * 16, "interaction": b"i" * 16, "body": PRIVATE, "expires": 1}
        tx.execute(insert(bodies), [row])
        tx.execute(insert(bodies), [row])

    def refused(tx: Connection) -> None:
        tx.execute(
            insert(bodies), [{"resource": b"r" * 16, "interaction": None, "body": PRIVATE, "expires": 1}]
        )

    for wrong in (twice, refused):
        with pytest.raises(IntegrityError) as error:
            await store.write(wrong)
        told = "".join(traceback.format_exception(error.value))
        assert "constraint" in told
        for private in (PRIVATE.decode(), PRIVATE.hex(), (b"i" * 16).hex(), "Failing row", "Key ("):
            assert private not in told
