"""Statements about many ids at once."""

import pytest
from sqlalchemy import select

from sms.store.sql import MOST, among, insert_new
from sms.store.tables import parts
from telephony.kernel.store import Store

pytestmark = pytest.mark.wire

RESOURCE = bytes(16)


def _row(message: int, remote_id: str = "x", part: int = 1) -> tuple[object, ...]:
    return (
        RESOURCE,
        message.to_bytes(16, "big"),
        part,
        "carrier",
        remote_id,
        "link",
        "submitted",
        1,
        None,
        None,
    )


@pytest.mark.parametrize("count", [0, 1, 3, MOST, MOST + 1])
async def test_every_id_is_found_once(store: Store, count: int) -> None:
    await store.write(lambda tx: insert_new(tx, parts, [_row(number) for number in range(count)]))
    wanted = [number.to_bytes(16, "big") for number in range(count + 2)]
    statement = "SELECT message FROM message_parts WHERE resource = ? AND message {ids} AND part = ?"
    rows = await store.read(lambda tx: among(tx, statement, wanted, before=(RESOURCE,), after=(1,)))
    assert sorted(bytes(row[0]) for row in rows) == wanted[:count]


async def test_a_row_that_is_there_already_stays_as_it_is(store: Store) -> None:
    await store.write(lambda tx: insert_new(tx, parts, [_row(1, "first")]))
    await store.write(lambda tx: insert_new(tx, parts, [_row(number, "second") for number in range(3)]))
    query = select(parts.c.remote_id).order_by(parts.c.message)
    assert await store.read(lambda tx: list(tx.execute(query).scalars())) == ["second", "first", "second"]
