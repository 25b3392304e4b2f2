"""The timeline: appended in order, read back in order."""

import msgspec
import pytest

from telephony.kernel.ids import InteractionId, NodeId, ResourceId
from telephony.kernel.store import Store
from telephony.kernel.store.timeline import MAX_KIND, Entry, TimelineKind, append, append_many, read_timeline

pytestmark = pytest.mark.wire

RESOURCE, OTHER = ResourceId(b"r" * 16), ResourceId(b"o" * 16)
MESSAGE = InteractionId(b"m" * 16)
NODE = NodeId(b"n" * 16)


class Kind(TimelineKind):
    ACCEPTED = "message.accepted"


class Detail(msgspec.Struct):
    segments: int
    words: str


async def test_entries_come_back_as_they_were_appended(store: Store) -> None:
    detail = Detail(3, "ünïcode \0 and all")
    await store.write(lambda tx: append(tx, RESOURCE, MESSAGE, 5, NODE, "http", Kind.ACCEPTED, detail))
    (found,) = await store.read(read_timeline(RESOURCE, MESSAGE))
    assert (found.at, found.node, found.source, found.kind) == (5, NODE, "http", Kind.ACCEPTED)
    assert found.data == {"segments": 3, "words": "ünïcode \0 and all"}


async def test_entries_of_one_microsecond_keep_their_order(store: Store) -> None:
    entries = [Entry(RESOURCE, MESSAGE, 7, NODE, "t", f"k{number}") for number in range(300)]
    await store.write(lambda tx: append_many(tx, entries[:299]))
    await store.write(lambda tx: append_many(tx, entries[299:]))
    assert [found.kind for found in await store.read(read_timeline(RESOURCE, MESSAGE))] == [
        entry.kind for entry in entries
    ]


async def test_time_comes_before_the_order_of_arrival(store: Store) -> None:
    times = [30, 10, 20]
    await store.write(
        lambda tx: append_many(tx, [Entry(RESOURCE, MESSAGE, at, NODE, "t", "k") for at in times])
    )
    assert [found.at for found in await store.read(read_timeline(RESOURCE, MESSAGE))] == [10, 20, 30]


async def test_a_timeline_belongs_to_its_resource(store: Store) -> None:
    await store.write(lambda tx: append(tx, RESOURCE, MESSAGE, 1, NODE, "t", "k"))
    assert await store.read(read_timeline(OTHER, MESSAGE)) == []


async def test_nothing_to_append_is_no_error(store: Store) -> None:
    await store.write(lambda tx: append_many(tx, ()))
    assert await store.read(read_timeline(RESOURCE, MESSAGE)) == []


async def test_a_kind_as_long_as_its_column_is_kept(store: Store) -> None:
    kind = "k" * MAX_KIND
    await store.write(lambda tx: append(tx, RESOURCE, MESSAGE, 1, NODE, "t", kind))
    assert (await store.read(read_timeline(RESOURCE, MESSAGE)))[0].kind == kind
