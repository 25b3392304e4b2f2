"""The routes that a node begins with: the operator sees them, and changes them like any others."""

from typing import Final

import msgspec
from sqlalchemy import Connection

from sms.inward.targets import SUBSCRIPTIONS
from telephony.routing.directory import OPERATOR
from telephony.routing.rules import BY_NUMBER, InboundRule, Kind, Route, RouteSet
from telephony.routing.store import PutRoutes, read_versions

TEXTS_IN: Final = InboundRule(
    id="texts-in",
    kinds=(Kind.SMS,),
    prefixes=("",),
    pattern=r"^[0-9]",  # short codes, which no prefix fits
    target={"kind": SUBSCRIPTIONS.name},
)
"""Texts for any number that a resource owns go to whoever of it asked for them."""

TEXTS_OUT: Final = Route(id="by-the-number", kind=Kind.SMS, target=BY_NUMBER)
"""Texts leave by the carrier that their sender's number belongs to."""

FIRST_ROUTES: Final = RouteSet(routes=(TEXTS_OUT,), inbound=(TEXTS_IN,))


def put_first_routes(tx: Connection, now: int) -> None:
    """Put them in force inside the first start's transaction, unless the operator has routes already."""
    if OPERATOR not in read_versions(tx):
        PutRoutes(OPERATOR, 0, msgspec.json.encode(FIRST_ROUTES), now)(tx)
