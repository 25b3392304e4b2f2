"""Calls that come: number, rule, target, record."""

from typing import Any

import msgspec
import pytest

from telephony.calling.metrics import REFUSED
from telephony.calling.ports import Answered, CarrierFacts, Held, Offered, Played, Pressed, Silent
from telephony.calling.settings import CallSettings
from telephony.kernel.ids import SubscriptionId, new_id, to_text
from telephony.kernel.store import Store
from telephony.numbers.kinds import Capabilities, Capability
from telephony.usage.settings import LimitSettings
from tests.support.calls import (
    OTHER,
    OWN,
    PEER,
    SECOND_OWN,
    House,
    ended,
    house,
    other_resource,
    own,
    rang,
    trunk,
)
from tests.support.sms import Wanting

pytestmark = pytest.mark.wire

ECHO = {"target": {"kind": "echo"}}


def sequence(*targets: dict[str, Any], seconds: int | None = None) -> dict[str, Any]:
    parts = [{"target": one} | ({} if seconds is None else {"seconds": seconds}) for one in targets]
    return {"target": {"kind": "sequence", "targets": parts}}


def refusals(why: str) -> float:
    return float(REFUSED.labels(why)._value.get())


def hung(on: House, leg: str = "in-1") -> tuple[int, int]:
    (said,) = on.legs.of("hang_up", leg)
    status, q850 = said.more
    return int(status), int(q850)


async def test_an_acquired_number_echoes_and_leaves_a_record_and_a_ladder(store: Store) -> None:
    on = await house(store)
    call = await on.offer()
    assert call is not None
    assert [said.what for said in on.legs.said] == ["answer", "echo"]
    assert (await on.record()).state == "talking"
    on.on.clock.advance(7)
    await on.tell(ended("in-1"))
    row = await on.record()
    assert (row.kind, row.direction, row.state, row.own, row.peer) == (
        "call",
        "inbound",
        "completed",
        OWN,
        PEER,
    )
    assert (row.node, row.carrier, row.price) == (None, "alpha", None)
    detail = await on.detail()
    (leg,) = detail.legs
    assert leg.length == 7_000_000
    assert (leg.quality.mos, leg.quality.lost, leg.codec) == (4.2, 1, "PCMU")
    assert detail.cause is not None
    assert (detail.cause.sip, detail.cause.q850, detail.ended_by) == (200, 16, "caller")
    assert await on.ladder() == [
        "leg.offered",
        "call.routed",
        "leg.answering",
        "leg.answered",
        "leg.ended",
        "call.ended",
    ]
    assert on.service.live() == []
    assert on.service.plane.ceilings.held == 0


async def test_a_number_that_nobody_has_is_404_and_counted(store: Store) -> None:
    on = await house(store)
    before = refusals("unknown-number")
    assert await on.offer(number="+12065550199") is None
    assert hung(on) == (404, 1)
    assert refusals("unknown-number") == before + 1
    assert await on.records() == []


@pytest.mark.parametrize("written", ["abc", "+1" + "2" * 30, "", "12"])
async def test_what_is_no_number_is_484(sqlite_store: Store, written: str) -> None:
    on = await house(sqlite_store)
    await on.tell(Offered("in-1", "alpha", "a1", written, PEER, "id"))
    assert hung(on) == (484, 28)


async def test_another_resources_number_looks_like_one_that_nobody_has(store: Store) -> None:
    on = await house(store)
    guid = to_text(on.resource)
    name = f"resource:{guid}"
    on.trunks.all[name] = CarrierFacts(name, (trunk(name, "sbc.example.com"),))
    await own(on, "+12065550150", other_resource())
    assert await on.offer(number="+12065550150", carrier=name, trunk="sbc.example.com") is None
    assert hung(on) == (404, 1)
    assert refusals("other-resource") >= 1
    call = await on.offer("in-2", carrier=name, trunk="sbc.example.com")
    assert call is not None


async def test_a_number_without_voice_is_403_with_a_record(store: Store) -> None:
    on = await house(store)
    await own(on, "+12065550151", None, Capabilities(Capability.OUTBOUND, Capability.BOTH))
    assert await on.offer(number="+12065550151") is None
    assert hung(on) == (403, 57)
    assert (await on.record()).state == "rejected"
    assert (await on.detail()).cause is not None
    assert "call.rejected" in await on.ladder()
    assert on.service.plane.ceilings.held == 0


async def test_no_rule_means_no_call(store: Store) -> None:
    on = await house(store)
    on.rules({"target": {"kind": "echo"}, "prefixes": ["+49"]})
    assert await on.offer() is None
    assert hung(on) == (480, 20)
    assert (await on.record()).ended is not None


async def test_the_resources_limit_of_calls_is_busy_and_names_itself(store: Store) -> None:
    on = await house(store)
    await on.on.limit(calls=1)
    assert await on.offer() is not None
    assert await on.offer("in-2") is None
    assert hung(on, "in-2") == (486, 17)
    _, second = await on.records()
    told = {entry.kind: entry.data for entry in await on.timeline(second)}
    assert told["call.limited"]["limit"] == "calls"
    await on.tell(ended("in-1"))
    assert await on.offer("in-3") is not None


async def test_a_trunks_channels_hold_both_ways(sqlite_store: Store) -> None:
    on = await house(sqlite_store)
    on.trunks.all["alpha"] = CarrierFacts("alpha", (trunk("alpha", "a1", channels=1),))
    assert await on.offer() is not None
    assert await on.offer("in-2") is None
    assert hung(on, "in-2") == (503, 34)
    await on.tell(ended("in-1"))
    assert await on.offer("in-3") is not None


async def test_a_trunks_rate_holds(sqlite_store: Store) -> None:
    on = await house(sqlite_store)
    on.trunks.all["alpha"] = CarrierFacts("alpha", (trunk("alpha", "a1"),), calls_per_second=1.0)
    assert await on.offer() is not None
    assert await on.offer("in-2") is None
    await on.advance(1)
    assert await on.offer("in-3") is not None


async def test_a_rule_refuses_with_its_reason(store: Store) -> None:
    on = await house(store)
    for place, (reason, status) in enumerate(
        (("busy", 486), ("declined", 603), ("not-found", 404), ("unavailable", 480))
    ):
        on.rules({"target": {"kind": "reject", "reason": reason}})
        leg = f"in-{place}"
        assert await on.offer(leg) is None
        assert hung(on, leg)[0] == status
    assert [row.state for row in await on.records()] == ["busy", "rejected", "unreached", "unanswered"]


async def test_a_caller_that_hangs_up_before_the_answer_has_abandoned_it(store: Store) -> None:
    on = await house(store)
    on.legs.answering = False
    assert await on.offer() is not None
    await on.tell(ended("in-1", 487))
    assert (await on.record()).state == "abandoned"
    assert (await on.detail()).ended_by == "caller"


async def test_a_caller_that_is_gone_before_its_record_stands_makes_nobody_ring(store: Store) -> None:
    on = await house(store)
    on.rules(FORWARD)
    await on.tell(Offered("in-1", "alpha", "a1", OWN[1:], PEER[1:], "id"), ended("in-1", 487))
    assert on.legs.dialled == []
    assert (await on.record()).state == "abandoned"


async def test_a_recording_is_played_and_the_next_target_follows(sqlite_store: Store) -> None:
    on = await house(sqlite_store)
    on.rules(sequence({"kind": "play", "what": "welcome", "repeat": 2}, {"kind": "echo"}))
    assert await on.offer() is not None
    (play,) = on.legs.of("play")
    assert play.more == ("play-1", "welcome", 2)
    await on.tell(Played("in-1", "play-1", "end"))
    assert [said.what for said in on.legs.said] == ["answer", "play", "echo"]


async def test_after_the_last_recording_the_call_is_over(sqlite_store: Store) -> None:
    on = await house(sqlite_store)
    on.rules({"target": {"kind": "play", "what": "closed"}})
    await on.offer()
    await on.tell(Played("in-1", "play-1", "end"))
    assert hung(on) == (0, 16)
    row = await on.record()
    assert (row.state, (await on.detail()).ended_by) == ("completed", "us")


async def test_an_early_announcement_is_not_answered(sqlite_store: Store) -> None:
    on = await house(sqlite_store)
    on.rules(
        sequence({"kind": "play", "what": "closed", "early": True}, {"kind": "reject", "reason": "busy"})
    )
    await on.offer()
    assert [said.what for said in on.legs.said] == ["ring", "play"]
    await on.tell(Played("in-1", "play-1", "end"))
    assert hung(on) == (486, 17)
    assert (await on.record()).state == "busy"
    assert (await on.detail()).answered is None


async def test_what_cannot_be_played_lets_the_next_target_follow(sqlite_store: Store) -> None:
    on = await house(sqlite_store)
    on.rules(sequence({"kind": "play", "what": "gone"}, {"kind": "echo"}))
    await on.offer()
    await on.tell(Played("in-1", "play-1", "failed: There is no such prompt."))
    assert on.legs.of("echo")
    assert "route.failed" in await on.ladder()


# --- passed on ----------------------------------------------------------------------------------------------

FORWARD = {"target": {"kind": "number", "number": OTHER}}


async def forwarded(store: Store, *rules: dict[str, Any], **more: Any) -> tuple[House, str]:
    """Return a house in which a call was passed on to OTHER, and the leg that is called."""
    on = await house(store, **more)
    on.rules(*(rules or (FORWARD,)))
    await on.offer()
    return on, on.legs.dialled[-1].leg


async def test_a_call_is_passed_on_with_our_number_and_diversion(sqlite_store: Store) -> None:
    on, out = await forwarded(sqlite_store)
    (dialled,) = on.legs.dialled
    assert (dialled.number, dialled.sender) == (OTHER[1:], OWN[1:])
    assert dialled.headers == (("Diversion", f"<tel:{OWN}>;reason=unconditional;counter=1"),)
    assert not on.legs.of("ring")
    await on.tell(rang(out))
    assert [said.more for said in on.legs.of("ring", "in-1")] == [False]
    await on.tell(rang(out), Answered(out, "PCMA"))
    assert [said.what for said in on.legs.said] == ["dial", "ring", "join", "answer"]
    on.on.clock.advance(3)
    await on.tell(ended(out))
    assert hung(on) == (0, 16)
    detail = await on.detail()
    assert [leg.length for leg in detail.legs] == [3_000_000, 3_000_000]
    assert detail.ended_by == "callee"
    assert (await on.record()).state == "completed"


async def test_early_sound_goes_to_the_caller(sqlite_store: Store) -> None:
    on, out = await forwarded(sqlite_store)
    await on.tell(rang(out, 183))
    assert [said.more for said in on.legs.of("ring", "in-1")] == [True]
    assert on.legs.of("join")
    await on.tell(Answered(out, "PCMU"))
    assert len(on.legs.of("join")) == 1


async def test_a_caller_that_was_answered_before_hears_that_it_rings(sqlite_store: Store) -> None:
    on = await house(sqlite_store)
    on.rules(sequence({"kind": "play", "what": "hello"}, FORWARD["target"]))
    await on.offer()
    await on.tell(Played("in-1", "play-1", "end"))
    out = on.legs.dialled[0].leg
    await on.tell(rang(out))
    assert on.legs.of("play", "in-1")[-1].more == ("ringback", "ringback", 0)
    await on.tell(Answered(out, "PCMU"))
    assert on.legs.of("stop", "in-1")[-1].more == "ringback"


async def test_the_callees_answer_is_the_callers_and_no_further_trunk_is_tried(sqlite_store: Store) -> None:
    on, out = await forwarded(sqlite_store)
    await on.tell(ended(out, 486))
    assert hung(on) == (486, 17)
    assert len(on.legs.dialled) == 1
    assert (await on.record()).state == "busy"


async def test_the_next_target_follows_when_nobody_answers_in_time(sqlite_store: Store) -> None:
    on, out = await forwarded(sqlite_store, sequence(FORWARD["target"], {"kind": "echo"}, seconds=20))
    await on.tell(rang(out))
    await on.advance(20)
    assert hung(on, out) == (0, 19)
    assert on.legs.of("echo")
    assert "call.no-answer" in await on.ladder()


async def test_an_answer_that_crosses_our_cancel_is_hung_up(sqlite_store: Store) -> None:
    on, out = await forwarded(sqlite_store)
    on.legs.stubborn.add(out)
    await on.tell(rang(out))
    await on.tell(ended("in-1", 487))
    assert on.legs.of("hang_up", out)
    await on.tell(Answered(out, "PCMU"))
    assert len(on.legs.of("hang_up", out)) == 2
    await on.tell(ended(out))
    row = await on.record()
    assert row.state == "abandoned"
    assert on.service.live() == []


async def test_the_caller_hangs_up_and_so_is_the_callee(sqlite_store: Store) -> None:
    on, out = await forwarded(sqlite_store)
    await on.tell(Answered(out, "PCMU"))
    await on.tell(ended("in-1"))
    assert hung(on, out) == (0, 16)
    assert (await on.record()).state == "completed"


async def test_a_leg_that_never_ends_is_given_up_after_64_seconds(sqlite_store: Store) -> None:
    on, out = await forwarded(sqlite_store)
    await on.tell(Answered(out, "PCMU"))
    on.legs.stubborn.add(out)
    await on.tell(ended("in-1"))
    assert on.service.live()
    await on.advance(64)
    assert on.service.live() == []
    assert (await on.record()).state == "completed"


async def test_a_circle_stops_at_five(sqlite_store: Store) -> None:
    on = await house(sqlite_store)
    on.rules(FORWARD)
    header = ("Diversion", '"a, b" <tel:+1>;counter=3, <tel:+2>;reason=unconditional')
    await on.offer("in-1", headers=(header,))
    (dialled,) = on.legs.dialled
    assert dialled.headers[0][1].endswith("counter=5")
    await on.offer("in-2", headers=(header, ("Diversion", "<tel:+3>")))
    assert len(on.legs.dialled) == 1
    assert hung(on, "in-2")[0] == 480
    await on.offer("in-3", headers=(("diversion", "<tel:+3>;counter=6"),))
    assert hung(on, "in-3") == (483, 25)


async def test_a_circle_through_the_network_is_known_without_any_header(sqlite_store: Store) -> None:
    on = await house(sqlite_store)
    on.rules(
        {"target": {"kind": "number", "number": SECOND_OWN}, "numbers": [OWN], "prefixes": []},
        {"target": {"kind": "number", "number": OWN}, "numbers": [SECOND_OWN], "prefixes": []},
    )
    for turn in range(20):
        to, by = (OWN, PEER if turn == 0 else SECOND_OWN) if turn % 2 == 0 else (SECOND_OWN, OWN)
        before = len(on.legs.dialled)
        await on.offer(f"in-{turn}", to, by)
        if len(on.legs.dialled) == before:
            break
    assert len(on.legs.dialled) == 5


async def test_digits_go_to_the_other_side_and_are_not_written_down(sqlite_store: Store) -> None:
    on, out = await forwarded(sqlite_store)
    await on.tell(Answered(out, "PCMU"))
    await on.tell(Pressed("in-1", "7", "rfc4733"), Pressed(out, "#", "info"))
    assert [(said.leg, said.more) for said in on.legs.of("press")] == [(out, "7"), ("in-1", "#")]
    told = [entry.data for entry in await on.timeline() if entry.kind == "leg.digit"]
    assert [(one["side"], one["by"]) for one in told] == [("in", "rfc4733"), ("out", "info")]
    assert all("7" not in one.values() for one in told)


async def test_tones_that_both_sides_hear_are_not_sent_twice(sqlite_store: Store) -> None:
    on = await house(sqlite_store)
    on.rules(FORWARD)
    on.trunks.all["alpha"] = CarrierFacts("alpha", (trunk("alpha", "a1", dtmf="inband"),))
    await on.offer()
    out = on.legs.dialled[0].leg
    await on.tell(Answered(out, "PCMU"))
    await on.tell(Pressed("in-1", "7", "inband"), Pressed("in-1", "8", "info"))
    assert [said.more for said in on.legs.of("press")] == ["8"]


async def test_whoever_is_held_hears_music(sqlite_store: Store) -> None:
    on, out = await forwarded(sqlite_store)
    await on.tell(Answered(out, "PCMU"))
    await on.tell(Held("in-1", True))
    assert on.legs.of("play", out)[-1].more == ("hold", "music", 0)
    await on.tell(Silent(out))
    assert not on.legs.of("hang_up")
    await on.tell(Held("in-1", False))
    assert on.legs.of("stop", out)[-1].more == "hold"


async def test_hold_is_passed_on_where_that_is_wanted(sqlite_store: Store) -> None:
    on, out = await forwarded(sqlite_store, settings=CallSettings(hold="pass"))
    await on.tell(Answered(out, "PCMU"))
    await on.tell(Held(out, True), Held(out, False))
    assert [said.more for said in on.legs.of("hold", "in-1")] == [True, False]


async def test_no_sound_ends_both(sqlite_store: Store) -> None:
    on, out = await forwarded(sqlite_store)
    await on.tell(Answered(out, "PCMU"))
    await on.tell(Silent("in-1"))
    assert hung(on)[1] == hung(on, out)[1] == 102
    assert (await on.detail()).ended_by == "us"


async def test_a_worker_that_dies_ends_its_call_as_lost(sqlite_store: Store) -> None:
    on, out = await forwarded(sqlite_store)
    await on.tell(Answered(out, "PCMU"))
    await on.tell(ended("in-1", 500, lost=True))
    assert (await on.record()).state == "lost"
    assert on.legs.of("hang_up", out)


async def test_a_name_at_the_resources_own_sbc_is_called(sqlite_store: Store) -> None:
    on = await house(sqlite_store, limits=LimitSettings())
    name = f"resource:{to_text(on.resource)}"
    on.trunks.all[name] = CarrierFacts(name, (trunk(name, "sbc.example.com", diversion="history-info"),))
    on.rules({"target": {"kind": "sip", "uri": "sip:desk@SBC.example.com:5061;transport=tls"}})
    await on.offer()
    (dialled,) = on.legs.dialled
    assert (dialled.trunk.carrier, dialled.trunk.name, dialled.number) == (name, "sbc.example.com", "desk")
    assert dialled.headers[0][0] == "History-Info"
    await on.tell(Answered(dialled.leg, "PCMU"))
    await on.tell(ended(dialled.leg))
    assert (await on.record()).state == "completed"


async def test_a_uri_elsewhere_is_not_called(sqlite_store: Store) -> None:
    on = await house(sqlite_store)
    on.rules({"target": {"kind": "sip", "uri": "sip:desk@elsewhere.example.com"}})
    await on.offer()
    assert on.legs.dialled == []
    assert hung(on) == (480, 3)


async def test_an_own_number_that_is_passed_on_by_an_own_sbc_keeps_to_the_limits(sqlite_store: Store) -> None:
    on = await house(sqlite_store, limits=LimitSettings())
    name = f"resource:{to_text(on.resource)}"
    on.trunks.all[name] = CarrierFacts(name, (trunk(name, "sbc.example.com"),))
    on.rules({"target": {"kind": "sip", "uri": "sip:+881612345678@sbc.example.com"}})
    await on.offer()
    assert on.legs.dialled == []
    assert hung(on)[0] == 403


# --- applications -------------------------------------------------------------------------------------------

APPLICATION = {"kind": "subscriptions"}


async def test_incoming_call_goes_to_subscribers_with_its_documented_fields(store: Store) -> None:
    on = await house(store)
    on.wanted.wanted = (Wanting(SubscriptionId(new_id(1))),)
    on.rules(sequence(APPLICATION, {"kind": "echo"}))
    headers = (("User-to-User", "abc;encoding=hex"), ("X-MS-Custom-Order", "17"), ("X-Other", "no"))
    call = await on.offer(headers=headers, display="Ann")
    assert call is not None
    (delivery,) = on.delivered
    (event,) = msgspec.json.decode(delivery.payload)
    assert event["eventType"] == "Microsoft.Communication.IncomingCall"
    assert event["subject"] == f"/caller/4:{PEER}/recipient/4:{OWN}"
    data = event["data"]
    number = {"kind": "phoneNumber", "rawId": f"4:{OWN}", "phoneNumber": {"value": OWN}}
    assert data["to"] == number
    assert data["from"]["phoneNumber"] == {"value": PEER}
    assert data["callerDisplayName"] == "Ann"
    assert data["correlationId"] == to_text(call.id)
    assert len(data["incomingCallContext"]) <= 1024
    assert data["serverCallId"]
    assert data["customContext"]["sipHeaders"] == {
        "userToUser": "abc;encoding=hex",
        "X-MS-Custom-Order": "17",
    }
    assert delivery.expires - on.on.clock.now() == 30_000_000
    assert on.legs.of("ring", "in-1")
    assert not on.legs.of("answer")
    await on.advance(30)
    assert on.legs.of("echo")


async def test_a_call_that_an_application_takes_is_answered_and_nothing_follows(store: Store) -> None:
    on = await house(store)
    on.wanted.wanted = (Wanting(SubscriptionId(new_id(1))),)
    on.rules(sequence(APPLICATION, {"kind": "echo"}))
    call = await on.offer()
    assert call is not None
    await on.service.take(on.resource, call.id)
    await on.quiet()
    await on.advance(60)
    assert on.legs.of("answer")
    assert not on.legs.of("echo")
    assert (await on.record()).state == "talking"
    await on.tell(ended("in-1"))
    types = [one.event_type.rpartition(".")[2] for one in on.delivered]
    assert types == ["IncomingCall", "CallStarted", "CallEnded"]
    (over,) = msgspec.json.decode(on.delivered[-1].payload)
    assert over["data"]["reason"] == {"code": 200, "subCode": 16, "phrase": "Normal call clearing"}


async def test_when_nobody_asked_for_calls_the_next_target_follows_at_once(store: Store) -> None:
    on = await house(store)
    on.rules(sequence(APPLICATION, {"kind": "echo"}))
    await on.offer()
    assert on.legs.of("echo")


async def test_a_rules_webhook_gets_the_call(store: Store) -> None:
    on = await house(store)
    on.rules({"target": {"kind": "webhook", "url": "https://app.example.com/in?token=1"}})
    await on.offer()
    (delivery,) = on.delivered
    assert delivery.event_type == "Microsoft.Communication.IncomingCall"
    told = [entry.data for entry in await on.timeline() if entry.kind == "call.routed"]
    assert told == [{"rule": "rule0", "target": "webhook", "url": "https://app.example.com/in"}]
    await on.advance(30)
    assert hung(on)[0] == 480
