"""Usage by day: what is recorded adds up, whoever records it."""

import asyncio

import pytest
from sqlalchemy import Connection

from telephony.kernel.clock import DAY
from telephony.kernel.errors import InvalidRequest
from telephony.kernel.ids import NodeId, ResourceId, new_id
from telephony.kernel.store import Store
from telephony.usage.record import Charge, Used, record
from telephony.usage.report import Report, as_csv, days_of, groups_of
from tests.support.stores import started

pytestmark = pytest.mark.wire

ONE = ResourceId(new_id(1))
TWO = ResourceId(new_id(2))
NODES = NodeId(new_id(3)), NodeId(new_id(4))


def used(
    resource: ResourceId = ONE, day: int = 0, country: str = "US", times: int = 1, price: int = 5
) -> Used:
    charge = Charge(country, 2, price, "USD", 3, "EUR")
    return Used(resource, day * DAY + 7, "carrier", "sms", "outbound", charge, times)


async def test_two_gateways_add_to_the_same_day(store: Store, store_url: str) -> None:
    with started(store_url) as other:
        await asyncio.gather(
            *(
                each.write(lambda tx, node=node: record(tx, node, [used(), used(country="DE"), used(TWO)]))
                for each, node in zip((store, other), NODES, strict=True)
                for _ in range(10)
            )
        )
    lines = await store.read(Report(0, 0, ("resource", "country")))
    assert [(line.group["country"], line.count, line.units, line.price, line.cost) for line in lines] == [
        ("DE", 20, 40, 100, 60),
        ("US", 20, 40, 100, 60),
        ("US", 20, 40, 100, 60),
    ]


async def test_a_report_is_by_what_was_asked_and_of_the_days_asked(store: Store) -> None:
    def job(tx: Connection) -> None:
        record(tx, NODES[0], [used(day=day, times=day + 1) for day in range(4)])
        record(tx, NODES[0], [used(TWO, day=1)])

    await store.write(job)
    by_day = await store.read(Report(1, 2, ("day",)))
    assert [(line.group["day"], line.count) for line in by_day] == [("1970-01-02", 3), ("1970-01-03", 3)]
    only = await store.read(Report(0, 9, ("day",), resource=TWO))
    assert [line.count for line in only] == [1]
    assert await store.read(Report(0, 9, ("day",), carrier="other")) == []
    assert as_csv(by_day, ("day",)).decode().splitlines() == [
        "day,count,units,price,currency,cost,cost_currency",
        "1970-01-02,3,6,0.000015,USD,0.000009,EUR",
        "1970-01-03,3,6,0.000015,USD,0.000009,EUR",
    ]


async def test_what_is_taken_back_is_gone(store: Store) -> None:
    await store.write(lambda tx: record(tx, NODES[0], [used(times=3)]))
    await store.write(lambda tx: record(tx, NODES[0], [used(times=-3)]))
    assert await store.read(Report(0, 0, ("day",))) == []


async def test_many_different_rows_go_in_few_statements(store: Store) -> None:
    many = [used(country=f"{place:03d}") for place in range(200)]
    await store.write(lambda tx: record(tx, NODES[0], [*many, *many]))
    lines = await store.read(Report(0, 0, ("country",)))
    assert [line.count for line in lines] == [2] * 200


def test_days_and_groups_that_make_no_sense_are_refused() -> None:
    assert days_of(None, None, 100) == (71, 100)
    assert days_of("1970-01-03", "1970-01-04", 100) == (2, 3)
    for since, until in (
        ("1970-01-05", "1970-01-04"),
        ("x", None),
        ("1970-1-1T", None),
        (None, "31.12.1970"),
    ):
        with pytest.raises(InvalidRequest):
            days_of(since, until, 100)
    with pytest.raises(InvalidRequest, match="not among"):
        groups_of("day,price")
    assert groups_of("day, carrier,day") == ("day", "carrier")
