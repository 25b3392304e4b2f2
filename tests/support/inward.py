"""Rules for inbound texts, for tests: a router with some, and what places texts by them."""

import base64
from typing import Any

import msgspec

from sms.inward.placing import Inward
from sms.inward.targets import SUBSCRIPTIONS
from sms.ports import InboundCharges
from sms.store.inbound import InboundSms, RecordInbound
from telephony.kernel.clock import DAY
from telephony.kernel.ids import InteractionId
from telephony.kernel.secret import Secret
from telephony.resources.seal import MasterKeys, SelfDescribing
from telephony.routing.inbound import compile_inbound
from telephony.routing.router import Router, Tables
from telephony.routing.rules import RouteSet
from telephony.routing.targets import BASIC, TargetKinds
from tests.support.sms import CARRIER, NUMBER, PEER, Plane

KINDS = TargetKinds((*BASIC, SUBSCRIPTIONS))

SEALER = SelfDescribing(MasterKeys.parse(Secret(base64.b64encode(bytes(32)).decode())))


def router(*rules: dict[str, Any]) -> Router:
    """Return a router of the operator's rules; each is for texts to every number unless it says otherwise."""
    whole = [
        {"id": f"rule{place}", "kinds": ["sms"], "prefixes": [""], **one} for place, one in enumerate(rules)
    ]
    made = Router()
    made.tables = Tables(
        operator=compile_inbound(msgspec.convert({"inbound": whole}, RouteSet), KINDS), version=1
    )
    return made


def placing(*rules: dict[str, Any], charges: InboundCharges | None = None) -> Inward:
    """Return what places texts by some rules."""
    return Inward(router(*rules), SEALER, charges)


def sms(on: Plane, text: str = "Hi", own: str = NUMBER, peer: str = PEER, **changes: Any) -> InboundSms:
    """Return a text as it came in."""
    values: dict[str, Any] = {"body": text.encode(), "alphabet": "gsm"} | changes
    return InboundSms(CARRIER, "one", on.clock.now(), own, peer, text, **values)


async def recorded(on: Plane, *messages: InboundSms) -> list[InteractionId]:
    """Keep texts, and hand on what they leave."""
    finisher, kept = await on.store.write(RecordInbound(on.finisher(), on.clock.now() + DAY, messages))
    on.ended(finisher)
    on.placed.append(dict(finisher.placed))
    return [identifier for identifier in kept if identifier is not None]
