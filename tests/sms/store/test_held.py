"""Messages that wait for their time."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from sms.compliance.countries import CODE as SENDER_NOT_ALLOWED
from sms.compliance.settings import ComplianceSettings, CountrySettings
from sms.optouts.store import AddOptOuts
from sms.send import Options, Recipient, Result
from sms.settings import SmsSettings
from sms.store.held import ReleaseHeld
from sms.store.sweep import SweepDue
from telephony.kernel.clock import DAY, HOUR, SECOND
from telephony.kernel.errors import InvalidRequest
from telephony.kernel.ids import NodeId, new_id
from telephony.kernel.store import Store
from tests.support.clock import ManualClock
from tests.support.sms import CARRIER, NUMBER, PEER, FakeLink, Plane, plane, settled

pytestmark = pytest.mark.wire

GERMAN, INDIAN = "+4915112345678", "+919876543210"

SETTINGS = SmsSettings(
    compliance=ComplianceSettings(
        countries={
            "US": CountrySettings(hours="08:00-21:00"),
            "DE": CountrySettings(denied_senders=(NUMBER,)),
            "IN": CountrySettings(senders=("alphanumeric",)),
        }
    )
)


def _in_seattle(hour: int) -> int:
    moment = datetime(2026, 5, 4, hour, tzinfo=ZoneInfo("America/Los_Angeles"))
    return round(moment.timestamp()) * SECOND


async def _at(store: Store, hour: int) -> Plane:
    return await plane(store, clock=ManualClock(_in_seattle(hour)), settings=SETTINGS)


async def _release(on: Plane, node: NodeId | None = None) -> dict[str, int]:
    now = on.clock.now()
    return await on.store.write(ReleaseHeld(node or on.node, now, on.settings.validity_seconds))


async def test_within_the_hours_it_is_sent_at_once(store: Store) -> None:
    on = await _at(store, 8)
    link = FakeLink()
    dispatcher = await on.dispatching(link)
    await on.send("Hello", PEER, dispatcher=dispatcher)
    await link.until_sent(1)
    link.answer()
    await settled(lambda: dispatcher.backlog == 0)
    await dispatcher.stop()


async def test_at_night_it_is_accepted_and_sent_in_the_morning(store: Store) -> None:
    on = await _at(store, 2)
    link = FakeLink()
    dispatcher = await on.dispatching(link)
    (result,) = await on.send("Hello", PEER, dispatcher=dispatcher)
    assert result.status == 202
    assert dispatcher.backlog == 0
    (accepted,) = (await on.view(result)).timeline
    assert accepted.data["not_before"] == "2026-05-04T15:00:00.000000+00:00"
    dispatcher.look_again()
    on.clock.at = _in_seattle(8) - 1
    assert await _release(on) == {}
    on.clock.at += 1
    assert await _release(on) == {CARRIER: 1}
    assert await _release(on) == {}
    dispatcher.look_again()
    await link.until_sent(1)
    link.answer()
    await settled(lambda: dispatcher.backlog == 0)
    kinds = await on.kinds(result)
    assert kinds == ["message.accepted", "message.released", "part.submitted"]
    await dispatcher.stop()


async def test_the_night_does_not_eat_its_validity(store: Store) -> None:
    on = await _at(store, 2)
    (result,) = await on.send("Hello", PEER)
    on.clock.at += 20 * HOUR
    await on.store.write(SweepDue(on.finisher(), on.clock.now()))
    assert await on.state(result) == "accepted"
    assert await _release(on) == {CARRIER: 1}
    on.clock.at += 23 * HOUR
    await on.store.write(SweepDue(on.finisher(), on.clock.now()))
    assert await on.state(result) == "accepted"
    on.clock.at += HOUR
    await on.store.write(SweepDue(on.finisher(), on.clock.now()))
    assert await on.state(result) == "expired"


async def test_one_gateway_takes_it(store: Store) -> None:
    on = await _at(store, 2)
    await on.send("Hello", PEER, PEER)
    on.clock.at += DAY
    assert await _release(on, NodeId(new_id(1))) == {CARRIER: 2}
    assert await _release(on) == {}


async def test_whoever_opts_out_meanwhile_gets_nothing(store: Store) -> None:
    on = await _at(store, 2)
    (result,) = await on.send("Hello", PEER)
    await on.store.write(AddOptOuts(on.finisher(), on.resource, NUMBER, [PEER], on.clock.now()))
    on.clock.at += DAY
    assert await _release(on) == {}
    assert await on.state(result) == "failed"


# Kinds of sender by country


async def _send(on: Plane, *to: str) -> list[Result]:
    return await on.send("Hello", *to)


async def test_a_country_that_does_not_take_the_sender_is_refused_alone(store: Store) -> None:
    on = await _at(store, 12)
    results = await _send(on, PEER, GERMAN, INDIAN, "nonsense")
    assert [result.status for result in results] == [202, 400, 400, 400]
    assert results[1].error == f"{SENDER_NOT_ALLOWED}: DE takes no texts from this sender."
    assert results[2].error == f"{SENDER_NOT_ALLOWED}: IN takes no texts from phone numbers."


@pytest.mark.parametrize("to", [(GERMAN,), ("nonsense", GERMAN, INDIAN)])
async def test_a_request_that_reaches_nobody_is_refused_whole(store: Store, to: tuple[str, ...]) -> None:
    on = await _at(store, 12)
    with pytest.raises(InvalidRequest) as refused:
        await on.sender()(on.resource, NUMBER, [Recipient(one) for one in to], "Hello", Options(), "request")
    assert (refused.value.code, refused.value.target) == (SENDER_NOT_ALLOWED, "from")
    assert refused.value.message == "DE takes no texts from this sender."
