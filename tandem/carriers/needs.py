"""Why a carrier cannot be taken away: what waits for it, or names it."""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, func, select

from sms.message import KIND
from sms.states import MessageState
from telephony.kernel.store.schema import interactions, nodes
from telephony.numbers.tables import inventory, lots, numbers
from telephony.routing.directory import OPERATOR
from telephony.routing.store import ReadRoutes

UNSENT: Final = (MessageState.ACCEPTED.value, MessageState.SUBMITTING.value)
"""States of messages that the carrier does not have yet, or not certainly."""


class _Route(Struct):
    target: str


class _Routes(Struct):
    routes: tuple[_Route, ...] = ()


_decode: Final = msgspec.json.Decoder(_Routes).decode


def needs(tx: Connection, carrier: str) -> Sequence[str]:
    """Query: return why `carrier` has to stay, each with the way out; nothing when it may go."""
    return [
        *_messages(tx, carrier),
        *_numbers(tx, carrier),
        *_routes(tx, carrier),
    ]


def _messages(tx: Connection, carrier: str) -> list[str]:
    of = interactions.c
    mine = (of.carrier == carrier, of.kind == KIND, of.state.in_(UNSENT))
    every_node = of.node.in_(select(nodes.c.id))  # an index begins with it
    count = tx.scalar(select(func.count()).where(every_node, *mine)) or 0
    if count:
        return [f"messages wait for it ({count}); wait, or cancel them"]
    kept_for_later = select(of.id).where(of.node.is_(None), of.due.is_not(None), *mine).limit(1)
    if tx.scalar(kept_for_later) is None:  # nobody's yet; found by looking at all that is due some time
        return []
    return ["messages wait for it that are to be sent later; wait, or cancel them"]


def _numbers(tx: Connection, carrier: str) -> list[str]:
    owned = tx.scalar(select(func.count()).where(numbers.c.carrier == carrier)) or 0
    stock = (
        tx.scalar(
            select(func.count())
            .select_from(inventory)
            .join(lots, lots.c.id == inventory.c.lot)
            .where(lots.c.carrier == carrier)
        )
        or 0
    )
    found = []
    if owned:
        found.append(f"numbers of resources are its ({owned}); release them (tandem numbers release)")
    elif stock:
        found.append(
            f"numbers of the inventory are its ({stock}); take them out (tandem carriers unstock {carrier})"
        )
    return found


def _routes(tx: Connection, carrier: str) -> list[str]:
    stored = ReadRoutes(OPERATOR)(tx)
    if stored is None or carrier.encode() not in stored.document:  # a set may have megabytes
        return []
    if all(route.target != carrier for route in _decode(stored.document).routes):
        return []
    return ["the operator's routes name it; change them first (tandem routes apply)"]
