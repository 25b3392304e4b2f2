"""What a number may do decides what it sends and receives; a released one does neither."""

import pytest

from sms.store.inbound import InboundSms, RecordInbound
from telephony.kernel.clock import DAY
from telephony.kernel.errors import Unauthorized
from telephony.kernel.store import Store
from telephony.numbers.kinds import Capability
from telephony.numbers.settings import NumberSettings
from telephony.numbers.trade import ReleaseNumber, UpdateCapabilities
from tests.support.sms import CARRIER, NUMBER, PEER, Plane, plane

pytestmark = pytest.mark.wire


async def sends(on: Plane) -> bool:
    """Tell whether a message is accepted from the number."""
    try:
        (result,) = await on.send("Hello")
    except Unauthorized as refused:
        return refused.target != "from"
    return result.status == 202


async def receives(on: Plane) -> bool:
    """Tell whether a message to the number is kept."""
    message = InboundSms(CARRIER, "one", on.clock.now(), NUMBER, PEER, "Hi", body=b"Hi", alphabet="gsm")
    _, (kept,) = await on.store.write(RecordInbound(on.finisher(), on.clock.now() + DAY, (message,)))
    return kept is not None


@pytest.mark.parametrize("sms", list(Capability))
async def test_a_number_sends_and_receives_what_its_capabilities_say(store: Store, sms: Capability) -> None:
    on = await plane(store)
    await store.write(UpdateCapabilities(on.resource, NUMBER, None, sms, NumberSettings()))
    wanted = sms in (Capability.OUTBOUND, Capability.BOTH), sms in (Capability.INBOUND, Capability.BOTH)
    assert (await sends(on), await receives(on)) == wanted


async def test_a_released_number_does_neither_and_its_messages_stay(store: Store) -> None:
    on = await plane(store)
    (result,) = await on.send("Hello")
    await store.write(ReleaseNumber(on.resource, NUMBER, NumberSettings()))
    assert (await sends(on), await receives(on)) == (False, False)
    assert await on.state(result) == "accepted"
