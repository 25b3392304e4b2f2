"""Replays of what happened, joined to the rest: how long each kind of thing was, and what is in force."""

from collections.abc import Callable
from typing import Final

import msgspec

from sms.message import KIND as SMS
from sms.message import SmsDetail
from tandem.routing import RoutingPlane
from telephony.kernel.clock import Clock
from telephony.kernel.http.route import Route
from telephony.kernel.ids import ResourceId
from telephony.kernel.store import Store
from telephony.routing.replay import admin
from telephony.routing.replay.journal import KindOfRow
from telephony.routing.replay.verbs import Owners, Replay
from telephony.routing.rules import Kind
from telephony.routing.voice import OwnRoutes
from telephony.usage.book import Book
from telephony.usage.calls import KIND as CALL

_detail: Final = msgspec.json.Decoder(SmsDetail).decode

KINDS: Final = {SMS: KindOfRow(Kind.SMS, lambda raw: _detail(raw).segments), CALL: KindOfRow(Kind.VOICE)}
"""What interactions there are. A call's own data say nothing of its length yet."""


def routes(
    *,
    store: Store,
    clock: Clock,
    routing: RoutingPlane,
    own: OwnRoutes,
    owners: Owners,
    book: Book,
    knows: Callable[[ResourceId], bool],
) -> list[Route]:
    """Return the administration's operation; `knows` tells which resources exist."""
    replay = Replay(
        store=store,
        clock=clock,
        tables=lambda: routing.router.tables,
        carriers=routing.carriers,
        targets=routing.kinds,
        own=own,
        owners=owners,
        book=book,
        knows=knows,
        kinds=KINDS,
    )
    return admin.routes(replay, knows)
