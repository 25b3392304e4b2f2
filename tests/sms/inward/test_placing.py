"""Where inbound texts go by rules: each kind of target, what is denied, what follows when a place fails."""

from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from sms.inward.forwarder import FORGOTTEN, GIVE_UP, Forwarder
from sms.inward.placing import MAX_HOPS, NOBODY, UNTAKEN
from sms.inward.tables import forwards
from sms.optouts.store import AddOptOuts, CheckOptOuts
from sms.store.inbound import RecordInbound
from sms.store.queries import Search
from telephony.events.event import EventSchema
from telephony.events.routed import ROUTED, ROUTED_TYPES
from telephony.events.signing import sign
from telephony.events.states import SubscriptionEvent
from telephony.events.store import deliveries, subscriptions
from telephony.events.subscription_jobs import AddSubscription, FireSubscription
from telephony.events.subscriptions import SubscriptionDirectory, secret_place
from telephony.kernel.clock import SECOND
from telephony.kernel.e164 import E164, shorten
from telephony.kernel.errors import LimitReached, Unavailable
from telephony.kernel.ids import InteractionId, SubscriptionId, new_id
from telephony.kernel.store import Store
from telephony.kernel.store.leases import EndLease, RegisterNode, TakeOver
from telephony.kernel.store.schema import bodies
from telephony.numbers.store import AcquireNumber, OwnedNumber
from telephony.routing.inbound import DENIED
from telephony.usage.record import Charge
from telephony.usage.tables import usage_daily
from tests.support.inward import SEALER, placing, recorded, sms
from tests.support.promises import Report
from tests.support.sms import CARRIER, NUMBER, PEER, Plane, Subscribers, Wanting, plane

pytestmark = pytest.mark.wire

URL = "https://app.example.com/in?token=1"
HOOK = {"kind": "webhook", "url": URL}
SUBSCRIBERS = {"kind": "subscriptions"}
BUSY = {"kind": "reject", "reason": "busy"}
OTHER = "+12065550177"
FORWARD = {"kind": "number", "number": OTHER}


def rule(target: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"target": target, **more}


def sequence(*targets: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "sequence", "targets": [{"target": one} for one in targets]}


def subscribers() -> Subscribers:
    return Subscribers((Wanting(SubscriptionId(new_id(1))),))


async def house(store: Store, *rules: dict[str, Any], **changes: Any) -> Plane:
    on = await plane(store, **changes)
    on.inward = placing(*rules)
    return on


async def story(on: Plane, identifier: InteractionId) -> tuple[str, list[tuple[str, Any]]]:
    """Return a text's state, and what is told of it since it was received."""
    view = await on.view((on.resource, identifier))
    told = [(entry.kind, entry.data) for entry in view.timeline]
    assert told[0][0] == "message.received"
    return view.message.state, told[1:]


async def test_what_no_rule_is_for_is_kept_refused_and_told_nobody(store: Store) -> None:
    on = await house(store, subscribers=subscribers())
    (identifier,) = await recorded(on, sms(on, "Let me in"))
    assert await story(on, identifier) == ("refused", [("message.refused", {"reason": DENIED})])
    assert (await on.view((on.resource, identifier))).text == "Let me in"
    assert on.deliveries == []
    assert on.placed == [{"denied": 1}]
    assert len(await store.read(Search(resource=on.resource, state="refused"))) == 1


async def test_a_rule_may_refuse_with_its_reason(store: Store) -> None:
    on = await house(store, rule(BUSY, id="closed"), subscribers=subscribers())
    (identifier,) = await recorded(on, sms(on))
    told = {"rule": "closed", "target": "reject", "reason": "The rule refuses it: busy."}
    assert await story(on, identifier) == ("refused", [("message.refused", told)])
    assert on.deliveries == []
    assert on.placed == [{"refused": 1}]


@pytest.mark.parametrize("peer", [PEER, "00" + PEER[1:], "ACME"])
async def test_no_spelling_of_a_caller_gets_around_a_rule(store: Store, peer: str) -> None:
    on = await house(store, rule(BUSY, callers=["+1206", "ACME"]), rule(SUBSCRIBERS))
    (identifier,) = await recorded(on, sms(on, peer=peer))
    assert (await story(on, identifier))[0] == "refused"
    (other,) = await recorded(on, sms(on, peer="+14155550100"))
    assert (await story(on, other))[0] == "received"


async def test_words_of_opting_out_work_whatever_the_rules_say(store: Store) -> None:
    on = await house(store)
    (identifier,) = await recorded(on, sms(on, "STOP"))
    state, told = await story(on, identifier)
    assert (state, [kind for kind, _ in told]) == ("refused", ["message.refused", "opt-out.added"])
    assert await store.read(CheckOptOuts(on.resource, NUMBER, [PEER])) == {PEER}
    assert len(on.replies) == 1


async def test_subscriptions_get_what_a_rule_sends_them(store: Store) -> None:
    on = await house(store, rule(SUBSCRIBERS, id="in"), subscribers=subscribers())
    (identifier,) = await recorded(on, sms(on))
    told = {"rule": "in", "target": "subscriptions"}
    assert await story(on, identifier) == ("received", [("message.routed", told)])
    assert [one.event_type for one in on.deliveries] == ["Microsoft.Communication.SMSReceived"]
    assert on.placed == [{"subscriptions": 1}]


async def test_a_rules_webhook_gets_the_event_by_a_subscription_of_its_own(store: Store) -> None:
    on = await house(store, rule(HOOK), subscribers=subscribers())
    first, second = await recorded(on, sms(on, "one"), sms(on, "two"))
    for identifier in (first, second):
        told = {"rule": "rule0", "target": "webhook", "url": "https://app.example.com/in"}
        assert await story(on, identifier) == ("received", [("message.routed", told)])
    (kept,) = await store.read(lambda tx: tx.execute(select(subscriptions)).all())
    assert (kept.url, kept.state, kept.event_types) == (URL, "active", ROUTED_TYPES)
    assert kept.name.startswith("route-")
    assert {one.subscription for one in on.deliveries} == {bytes(kept.id)}
    texts = [msgspec.json.decode(one.payload)[0]["data"]["message"] for one in on.deliveries]
    assert texts == ["one", "two"]
    directory = SubscriptionDirectory(store, SEALER)
    await directory.refresh()
    found = directory.get(SubscriptionId(bytes(kept.id)))
    assert found is not None
    assert sign(found.keys, "id", 1, b"body").startswith("v1,")
    # Nothing but what rules send reaches it.
    assert directory.matching(on.resource, "Microsoft.Communication.SMSReceived") == ()
    await recorded(on, sms(on, "three"))
    assert len(await store.read(lambda tx: tx.execute(select(subscriptions.c.id)).all())) == 1


async def test_a_subscription_of_the_url_to_what_rules_send_is_used(store: Store) -> None:
    on = await house(store, rule(HOOK))
    identifier = SubscriptionId(new_id(7))
    sealed = SEALER.seal(b"k" * 32, secret_place(on.resource, identifier))
    schema = EventSchema.CLOUD_EVENTS
    now = on.clock.now()
    await store.write(
        AddSubscription(
            on.resource, identifier, "mine", URL, schema, (ROUTED,), sealed, 5, 60, b"token", now + 1, now
        )
    )
    (waiting,) = await recorded(on, sms(on))
    state, told = await story(on, waiting)
    assert (state, told[0][1]["reason"]) == ("failed", "Its subscription mine is awaiting-validation.")
    await store.write(FireSubscription(on.resource, identifier, SubscriptionEvent.VALIDATE))
    (identified,) = await recorded(on, sms(on))
    assert (await story(on, identified))[0] == "received"
    (delivery,) = on.deliveries
    assert delivery.subscription == identifier
    assert msgspec.json.decode(delivery.payload)["specversion"] == "1.0"


async def test_a_webhook_whose_subscription_is_disabled_is_passed_by(store: Store) -> None:
    on = await house(store, rule(sequence(HOOK, SUBSCRIBERS)), subscribers=subscribers())
    await recorded(on, sms(on))
    await store.write(lambda tx: tx.execute(subscriptions.update().values(state="disabled")).rowcount)
    (identifier,) = await recorded(on, sms(on))
    state, told = await story(on, identifier)
    assert state == "received"
    assert [(kind, data["target"]) for kind, data in told] == [
        ("route.failed", "webhook"),
        ("message.routed", "subscriptions"),
    ]
    assert "is disabled." in told[0][1]["reason"]


async def test_a_schedule_decides_by_the_time(store: Store) -> None:
    never = {"days": ["mon"], "first": "2020-01-06", "last": "2020-01-06"}
    target = {
        "kind": "schedule",
        "alternatives": [{"windows": [never], "target": BUSY}],
        "otherwise": SUBSCRIBERS,
    }
    on = await house(store, rule(target), subscribers=subscribers())
    (identifier,) = await recorded(on, sms(on))
    assert (await story(on, identifier))[1][0][1]["target"] == "subscriptions"


async def test_a_sequence_goes_on_where_nobody_listens(store: Store) -> None:
    on = await house(store, rule(sequence(SUBSCRIBERS, HOOK, BUSY)))
    (identifier,) = await recorded(on, sms(on))
    state, told = await story(on, identifier)
    assert state == "received"
    assert told[0] == ("route.failed", {"rule": "rule0", "target": "subscriptions", "reason": NOBODY})
    assert told[1][1]["target"] == "webhook"
    on.inward = placing(rule(SUBSCRIBERS))
    (identifier,) = await recorded(on, sms(on))  # kept for whoever asks for it
    assert (await story(on, identifier))[0] == "received"


class Sender:
    """Sends, or raises what it is told to."""

    def __init__(self, on: Plane) -> None:
        self.on = on
        self.raises: list[Exception] = []
        self.lost = 0
        """How many answers get lost behind their commit."""
        self.calls: list[tuple[str, str, str]] = []

    async def __call__(self, resource: Any, sender: str, recipients: Any, text: Any, *rest: Any) -> Any:
        self.calls.append((sender, recipients[0].to, text))
        if self.raises:
            raise self.raises.pop(0)
        results = await self.on.sender()(resource, sender, recipients, text, *rest)
        if self.lost:
            self.lost -= 1
            raise Unavailable("The answer was lost.")
        return results


def forwarder(on: Plane) -> tuple[Forwarder, Sender]:
    send = Sender(on)
    made = Forwarder(
        store=on.store, clock=on.clock, node=on.node, send=send, finisher=on.finisher, ended=on.ended
    )
    return made, send


async def sent(on: Plane) -> list[tuple[str, str, str]]:
    """Return the texts that were sent: from, to, state; the oldest first."""
    found = await on.store.read(Search(resource=on.resource, direction="outbound"))
    return [(one.from_, one.to, one.state) for one in reversed(found)]


async def test_a_text_is_sent_on_from_our_number_by_the_way_of_every_text(store: Store) -> None:
    on = await house(store, rule(FORWARD))
    (identifier,) = await recorded(on, sms(on, "Ring me"))
    work, send = forwarder(on)
    assert await work.work() == pytest.approx(0.1)
    assert send.calls == [(NUMBER, OTHER, "Ring me")]
    assert await sent(on) == [(NUMBER, OTHER, "accepted")]
    state, told = await story(on, identifier)
    assert state == "received"
    assert told[0] == ("message.routed", {"rule": "rule0", "target": "number", "number": shorten(OTHER)})
    assert told[1][0] == "message.forwarded"
    assert told[1][1]["number"] == shorten(OTHER)
    assert told[1][1]["hops"] == 1
    assert told[1][1]["message"].startswith("Outgoing_")
    await work.work()
    assert len(send.calls) == 1


async def test_a_text_that_is_sent_on_may_name_its_sender(store: Store) -> None:
    on = await house(store, rule(FORWARD | {"named": True}))
    await recorded(on, sms(on, "Ring me"))
    work, send = forwarder(on)
    await work.work()
    assert send.calls == [(NUMBER, OTHER, f"{PEER}: Ring me")]


async def test_octets_are_sent_on_as_octets(store: Store) -> None:
    on = await house(store, rule(FORWARD))
    await recorded(on, sms(on, "", body=b"\xff\x00", alphabet="binary"))
    work, _ = forwarder(on)
    await work.work()
    (one,) = await store.read(Search(resource=on.resource, direction="outbound"))
    assert one.alphabet == "binary"


async def test_a_text_is_sent_on_once_however_often_it_is_tried(store: Store) -> None:
    on = await house(store, rule(FORWARD))
    await recorded(on, sms(on))
    work, send = forwarder(on)
    send.lost = 1
    await work.work()
    on.clock.advance(5)
    await work.work()
    assert len(send.calls) == 2
    assert len(await sent(on)) == 1


async def test_whoever_opted_out_gets_nothing_and_the_next_place_does(store: Store) -> None:
    on = await house(store, rule(sequence(FORWARD, SUBSCRIBERS)), subscribers=subscribers())
    await store.write(AddOptOuts(on.finisher(), on.resource, NUMBER, [OTHER], on.clock.now()))
    (identifier,) = await recorded(on, sms(on))
    assert on.deliveries == []
    work, _ = forwarder(on)
    await work.work()
    state, told = await story(on, identifier)
    assert state == "received"
    assert [kind for kind, _ in told] == ["message.routed", "route.failed", "message.routed"]
    assert "opted out" in told[1][1]["reason"]
    assert told[2][1]["target"] == "subscriptions"
    assert len(on.deliveries) == 1


async def test_a_text_that_no_place_takes_has_failed(store: Store) -> None:
    on = await house(store, rule(FORWARD))
    await store.write(AddOptOuts(on.finisher(), on.resource, NUMBER, [OTHER], on.clock.now()))
    (identifier,) = await recorded(on, sms(on))
    work, _ = forwarder(on)
    await work.work()
    state, told = await story(on, identifier)
    assert state == "failed"
    assert told[-1] == ("message.failed", {"rule": "rule0", "reason": UNTAKEN})


async def test_what_comes_too_fast_waits_and_is_given_up_after_an_hour(store: Store) -> None:
    on = await house(store, rule(sequence(FORWARD, BUSY)))
    (identifier,) = await recorded(on, sms(on))
    work, send = forwarder(on)
    slow = LimitReached("Too fast.", limit="messages_per_second", retry_after=7.0)
    send.raises = [slow, slow]
    await work.work()
    assert await work.work() == pytest.approx(7.0)
    assert len(send.calls) == 1
    on.clock.advance(GIVE_UP / SECOND)
    await work.work()
    state, told = await story(on, identifier)
    assert state == "refused"
    assert told[1][1]["reason"] == "It could not be sent on within an hour. Too fast."


async def test_a_text_that_is_not_kept_any_more_is_not_sent_on(store: Store) -> None:
    on = await house(store, rule(FORWARD))
    (identifier,) = await recorded(on, sms(on))
    await store.write(lambda tx: tx.execute(bodies.delete()).rowcount)
    work, send = forwarder(on)
    await work.work()
    assert send.calls == []
    assert (await story(on, identifier))[1][1][1]["reason"] == FORGOTTEN


@pytest.mark.promise("R32")
async def test_two_numbers_that_send_texts_on_to_each_other_stop_at_five(
    store: Store, promise: Report
) -> None:
    second = E164("+14255550198")
    on = await house(
        store,
        rule({"kind": "number", "number": second}, numbers=[NUMBER], prefixes=[]),
        rule({"kind": "number", "number": NUMBER}, numbers=[second], prefixes=[]),
    )
    await store.write(AcquireNumber(OwnedNumber(on.resource, second, CARRIER), on.clock.now()))
    work, send = forwarder(on)
    (identifier,) = await recorded(on, sms(on, "Round"))
    for _ in range(10):
        await work.work()
        if not send.calls:
            break
        own, to, text = send.calls.pop()
        on.clock.advance(1)
        (identifier,) = await recorded(on, sms(on, text, own=to, peer=own))
    assert len(await sent(on)) == MAX_HOPS == 5
    state, told = await story(on, identifier)
    assert state == "failed"
    assert told[0][1]["reason"] == "It goes in a circle: it was sent on 5 times."
    promise(sent_on=len(await sent(on)))


async def test_a_stranger_that_sends_texts_back_is_answered_five_times(store: Store) -> None:
    on = await house(store, rule(FORWARD))
    states = [(await recorded(on, sms(on, "Round", peer=OTHER)))[0] for _ in range(7)]
    assert [(await story(on, one))[0] for one in states] == ["received"] * 5 + ["failed"] * 2
    (later,) = await recorded(on, sms(on, "Another", peer=OTHER))
    assert (await story(on, later))[0] == "received"


async def test_what_a_dead_gateway_had_to_send_on_is_sent_by_the_next(store: Store) -> None:
    on = await house(store, rule(FORWARD))
    await recorded(on, sms(on))
    await store.write(EndLease(on.node))
    on.node = await store.write(RegisterNode("next"))
    await store.write(TakeOver(on.node))
    work, _ = forwarder(on)
    await work.work()
    assert await sent(on) == [(NUMBER, OTHER, "accepted")]
    assert await store.read(lambda tx: tx.execute(select(forwards.c.node)).scalars().all()) == [None]


class Prices:
    """Every text comes to the same."""

    def received(self, resource: Any, carrier: str, own: str, peer: str, segments: int, at: int) -> Charge:
        return Charge("US", segments, 7500 * segments, "USD")


async def test_texts_count_in_usage_with_their_parts_and_price(store: Store) -> None:
    on = await plane(store)
    on.inward = placing(rule(BUSY), charges=Prices())
    await recorded(on, sms(on), sms(on, segments=3))
    await recorded(on, sms(on))
    (row,) = await store.read(lambda tx: tx.execute(select(usage_daily)).all())
    assert (row.kind, row.direction, row.carrier, row.country) == ("sms", "inbound", CARRIER, "US")
    assert (row.count, row.units, row.price, row.currency) == (3, 5, 37_500, "USD")


async def test_a_job_that_runs_twice_counts_and_delivers_once(store: Store) -> None:
    on = await house(store, rule(HOOK))
    finisher = on.finisher()
    job = RecordInbound(finisher, on.clock.now() + SECOND, [sms(on)])

    def twice(tx: Any) -> None:
        with tx.begin_nested() as first:
            job(tx)
            first.rollback()
        job(tx)

    await store.write(twice)
    assert finisher.placed == {"webhook": 1}
    assert len(finisher.deliveries) == 1
    assert len(await store.read(lambda tx: tx.execute(select(deliveries.c.id)).all())) == 1
