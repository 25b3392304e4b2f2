"""The timeline: what happened to an interaction, appended and never changed.

A kind is `noun.what-happened` in lower case with dots and hyphens, as logs spell their events:
`message.accepted`, `part.submitted`, `receipt.delivered`, `webhook.failed`. A plane keeps its kinds together
as a `TimelineKind` enum; a later feature adds kinds and never changes what an old one means. `source` says
who saw it: `http`, `dispatcher`, `link:NAME`, `webhook`. `data` is whatever struct or mapping the kind
documents, kept as JSON; never the body of a message, which has its own table and its own age.
"""

import itertools
import os
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, select

from telephony.kernel.ids import InteractionId, NodeId, ResourceId
from telephony.kernel.store.bulk import insert_rows
from telephony.kernel.store.schema import timeline

MAX_KIND: Final = 48
"""Characters of a kind: the width of its column."""


class TimelineKind(StrEnum):
    """Base of a plane's kinds: a value is what the column holds."""


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One thing that happened."""

    resource: ResourceId
    interaction: InteractionId
    at: int
    """Microseconds UTC."""
    node: NodeId
    source: str
    kind: str
    data: Any = None
    """A msgspec struct, a mapping, or None for nothing to say."""


class Recorded(msgspec.Struct, frozen=True, gc=False):
    """One thing that happened, as it was read back."""

    at: int
    node: NodeId
    source: str
    kind: str
    data: Any
    """What the JSON held; None when there was none."""


# (at, seq) orders one process's entries. It starts at random, so that two nodes, or two lives of one, that
# write about the same interaction in the same microsecond do not meet on one key.
_seq: Final = itertools.count(int.from_bytes(os.urandom(3), "big") << 36)
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder().decode


def append(
    tx: Connection,
    resource: ResourceId,
    interaction: InteractionId,
    at: int,
    node: NodeId,
    source: str,
    kind: str,
    data: Any = None,  # noqa: ANN401 - anything msgspec encodes
) -> None:
    """Append one entry; see `Entry` for the fields."""
    append_many(tx, (Entry(resource, interaction, at, node, source, kind, data),))


def append_many(tx: Connection, entries: Iterable[Entry]) -> None:
    """Append entries, in order: of two at the same microsecond the first stays first."""
    insert_rows(
        tx,
        timeline,
        [
            (
                entry.resource,
                entry.interaction,
                entry.at,
                next(_seq),
                entry.node,
                entry.source,
                entry.kind,
                None if entry.data is None else _encode(entry.data).decode(),
            )
            for entry in entries
        ],
    )


def read_timeline(resource: ResourceId, interaction: InteractionId) -> Callable[[Connection], list[Recorded]]:
    """Return the query for an interaction's timeline, oldest first: `await store.read(read_timeline(…))`."""
    query = (
        select(timeline.c.at, timeline.c.node, timeline.c.source, timeline.c.kind, timeline.c.data)
        .where(timeline.c.resource == resource, timeline.c.interaction == interaction)
        .order_by(timeline.c.at, timeline.c.seq)
    )

    def run(tx: Connection) -> list[Recorded]:
        return [
            Recorded(at, node, source, kind, None if data is None else _decode(data))
            for at, node, source, kind, data in tx.execute(query)
        ]

    return run
