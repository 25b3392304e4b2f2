"""Carriers in the store, on both databases: all of a change or nothing of it."""

from collections.abc import Sequence
from typing import Final

import pytest
from sqlalchemy import Connection

from tandem.carriers.store import ChangeCarriers, Put, Stamp, read_carriers, read_stamps
from telephony.kernel.errors import Conflict, PreconditionFailed
from telephony.kernel.store import Store

pytestmark = pytest.mark.unit

ONE: Final = Put("one.toml", b"1")
OTHER: Final = Put("", b"2")


async def put(store: Store, now: int, **puts: Put) -> None:
    seen = await store.read(read_stamps)
    await store.write(ChangeCarriers(seen, puts, (), now))


async def test_carriers_are_kept_with_their_owner_and_counted_changes(store: Store) -> None:
    await put(store, 10, acme=ONE, beta=OTHER)
    await put(store, 20, acme=OTHER)
    found = await store.read(read_carriers)
    assert [(each.name, each.file, each.stamp, each.sealed) for each in found.values()] == [
        ("acme", "", Stamp(2, 20), b"2"),
        ("beta", "", Stamp(1, 10), b"2"),
    ]


async def test_a_carrier_that_went_and_came_back_has_another_stamp(store: Store) -> None:
    await put(store, 10, acme=ONE)
    before = await store.read(read_stamps)
    await store.write(ChangeCarriers(before, {}, ("acme",), 20))
    await put(store, 30, acme=ONE)
    assert await store.read(read_stamps) != before


@pytest.mark.parametrize("stale", ["put", "new", "remove"])
async def test_of_a_change_made_from_old_knowledge_nothing_is_done(store: Store, stale: str) -> None:
    await put(store, 10, acme=ONE, beta=ONE)
    seen = dict(await store.read(read_stamps))
    await put(store, 20, acme=OTHER)
    change = {
        "put": ChangeCarriers(seen, {"beta": OTHER, "acme": ONE}, (), 30),
        "new": ChangeCarriers({"beta": seen["beta"]}, {"beta": OTHER, "acme": ONE}, (), 30),
        "remove": ChangeCarriers(seen, {"beta": OTHER}, ("acme",), 30),
    }[stale]
    with pytest.raises(PreconditionFailed, match="acme was changed meanwhile"):
        await store.write(change)
    found = await store.read(read_carriers)
    assert {name: (each.file, each.stamp) for name, each in found.items()} == {
        "acme": ("", Stamp(2, 20)),
        "beta": ("one.toml", Stamp(1, 10)),
    }


def needed(_: Connection, name: str) -> Sequence[str]:
    return ["3 messages wait for it", "the routes name it"] if name == "acme" else []


async def test_what_is_needed_stays_and_with_it_all_else(store: Store) -> None:
    await put(store, 10, acme=ONE, beta=ONE)
    seen = await store.read(read_stamps)
    with pytest.raises(Conflict) as told:
        await store.write(ChangeCarriers(seen, {"gamma": ONE}, ("acme", "beta"), 20, needed))
    assert told.value.message.splitlines() == [
        "carriers.acme: cannot be taken away: 3 messages wait for it",
        "carriers.acme: cannot be taken away: the routes name it",
    ]
    assert (await store.read(read_stamps)).keys() == {"acme", "beta"}
    await store.write(ChangeCarriers(seen, {}, ("beta",), 20, needed))
    assert (await store.read(read_stamps)).keys() == {"acme"}
