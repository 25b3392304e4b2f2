"""The routes that a node begins with: the operator sees them, and changes them like any others."""

from typing import Final

import msgspec
from sqlalchemy import Connection

from sms.inward.targets import SUBSCRIPTIONS
from telephony.calling.targets import ECHO
from telephony.kernel.e164 import E164
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

CALLS_IN: Final = InboundRule(
    id="calls-in", kinds=(Kind.VOICE,), prefixes=("",), target={"kind": SUBSCRIPTIONS.name}
)
"""Calls for any number that a resource owns go to whoever of it asked for them."""

TEXTS_OUT: Final = Route(id="by-the-number", kind=Kind.SMS, target=BY_NUMBER)
"""Texts leave by the carrier that their sender's number belongs to."""

CALLS_OUT: Final = Route(id="calls-by-the-number", kind=Kind.VOICE, target=BY_NUMBER)
"""Calls leave by the carrier that their caller's number belongs to."""


def first_routes(demonstration: E164 | None) -> RouteSet:
    """Return what a node begins with; calls for a number for demonstrations that nobody takes are echoed."""
    inbound: tuple[InboundRule, ...] = (TEXTS_IN, CALLS_IN)
    if demonstration is not None:
        both = [{"target": {"kind": SUBSCRIPTIONS.name}}, {"target": {"kind": ECHO.name}}]
        rule = InboundRule(
            id="demonstration",
            kinds=(Kind.VOICE,),
            numbers=(demonstration,),
            target={"kind": "sequence", "targets": both},
        )
        inbound = (rule, *inbound)
    return RouteSet(routes=(TEXTS_OUT, CALLS_OUT), inbound=inbound)


def put_first_routes(tx: Connection, now: int, demonstration: E164 | None) -> None:
    """Put them in force inside the first start's transaction, unless the operator has routes already."""
    if OPERATOR not in read_versions(tx):
        PutRoutes(OPERATOR, 0, msgspec.json.encode(first_routes(demonstration)), now)(tx)
