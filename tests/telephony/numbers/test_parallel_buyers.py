"""A number is never sold twice, however many buy at once: threads, processes, searches and reservations."""

import asyncio
import multiprocessing
import random
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from uuid import uuid4

import pytest

from telephony.kernel.errors import Conflict, InvalidRequest, Unavailable
from telephony.kernel.http.longrunning import OperationStatus
from telephony.kernel.ids import ResourceId
from telephony.kernel.store import Store
from telephony.numbers.holds import HoldKind
from telephony.numbers.reservations import ChangeReservation, Pick
from telephony.numbers.search import Browse, SearchNumbers
from telephony.numbers.trade import CancelSearch, Purchase
from tests.support.numbers import SEATTLE, SETTINGS, TEXTS, consistent, lot, somebody, states, stocked, wanted
from tests.support.scale import scale
from tests.support.stores import started

pytestmark = pytest.mark.soak

PROCESSES, THREADS = 2, 2
NUMBERS = scale(60, 3000)
PICK = Pick(SEATTLE.country, SEATTLE.type, SEATTLE.assignment, TEXTS)


async def buy_all(store: Store, resource: ResourceId, seed: int) -> list[str]:
    """Buy until nothing is left, in every way there is; return what was bought."""
    chance, bought = random.Random(seed), list[str]()
    while True:
        try:
            if chance.random() < 0.4:
                got = await _by_reservation(store, resource, chance)
            else:
                got = await _by_search(store, resource, chance)
        except Unavailable:  # another was in the way: a client tries again
            continue
        if got is None:
            return bought
        bought += got


async def _by_search(store: Store, resource: ResourceId, chance: random.Random) -> Sequence[str] | None:
    done = await store.write(SearchNumbers(resource, wanted(chance.randint(1, 5)), SETTINGS))
    if done.status is OperationStatus.FAILED:
        return None
    if chance.random() < 0.2:
        await store.write(CancelSearch(resource, done.id))
        return ()
    return (await store.write(Purchase(resource, HoldKind.SEARCH, done.id, True, SETTINGS))).numbers


async def _by_reservation(store: Store, resource: ResourceId, chance: random.Random) -> Sequence[str] | None:
    seen = await store.read(Browse(wanted()))
    picks: dict[str, Pick | None] = {number: PICK for number, _ in seen[: chance.randint(1, 5)]}
    mine = uuid4().bytes
    await store.write(ChangeReservation(resource, mine, picks, SETTINGS))
    try:
        return (await store.write(Purchase(resource, HoldKind.RESERVATION, mine, True, SETTINGS))).numbers
    except InvalidRequest:  # others were faster with every number
        return () if seen else None


def buyers(url: str, seed: int) -> list[str]:
    """Be a gateway: buy with several threads over one store; return all that was bought."""
    sys.setswitchinterval(0.00005)
    with started(url) as store, ThreadPoolExecutor(THREADS) as pool:
        running = [
            pool.submit(lambda number: asyncio.run(buy_all(store, somebody(), number)), seed * 100 + thread)
            for thread in range(THREADS)
        ]
        return [number for each in running for number in each.result()]


def test_parallel_buyers_never_get_the_same_number(store_url: str) -> None:
    with started(store_url) as store:
        asyncio.run(stocked(store, f"+12065550000-{NUMBERS // 2 - 1:04d}"))
        asyncio.run(stocked(store, f"+12065560000-{NUMBERS // 2 - 1:04d}", of=lot(capabilities=TEXTS)))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, mp_context=context) as pool:
        sold = [
            number for each in pool.map(buyers, [store_url] * PROCESSES, range(PROCESSES)) for number in each
        ]
    assert len(sold) == len(set(sold)) == NUMBERS
    with started(store_url) as store:
        assert asyncio.run(_read_states(store)) == {"owned": NUMBERS}


@pytest.mark.parametrize("rivals", [scale(8, 40)])
async def test_of_many_who_reserve_one_number_one_gets_it(store_url: str, rivals: int) -> None:
    with started(store_url) as one, started(store_url) as other:
        await stocked(one, "+12065550100")
        mine = uuid4().bytes
        answers = await asyncio.gather(
            *(
                (one, other)[turn % 2].write(
                    ChangeReservation(somebody(), mine, {"+12065550100": PICK}, SETTINGS)
                )
                for turn in range(rivals)
            ),
            return_exceptions=True,
        )
        made = [answer for answer in answers if not isinstance(answer, BaseException)]
        assert sum(not answer.failed for answer in made) == 1
        assert all(isinstance(answer, Unavailable) for answer in answers if isinstance(answer, BaseException))
        await one.read(consistent)


async def test_of_many_who_buy_one_hold_each_gets_the_same_answer(store_url: str) -> None:
    with started(store_url) as one, started(store_url) as other:
        await stocked(one, "+12065550100-0109")
        me = somebody()
        found = await one.write(SearchNumbers(me, wanted(3), SETTINGS))
        purchase = Purchase(me, HoldKind.SEARCH, found.id, False, SETTINGS)
        answers = await asyncio.gather(
            *((one, other)[turn % 2].write(purchase) for turn in range(8)), return_exceptions=True
        )
        bought = [answer for answer in answers if not isinstance(answer, BaseException)]
        assert len({answer.operation for answer in bought}) == 1
        assert all(isinstance(answer, Unavailable | Conflict) for answer in answers if answer not in bought)
        assert await one.read(states) == {"free": 7, "owned": 3}
        await one.read(consistent)


async def _read_states(store: Store) -> dict[str, int]:
    await store.read(consistent)
    return await store.read(states)
