"""Calls that we dial, through a real worker and a real engine to a raw peer."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager

import pytest

from carriers.model.sip import SipDigest, SipHeaders
from sip.legs.legs import SipLegs
from sip.legs.targets import Target
from sip.legs.trunks import TrunkFacts
from sip.wire.digest import Challenge, ha1, verify
from telephony.calling.ports import Answered, Dialled, Ended, NoRoom, Offered, Pressed, Rang, Trunk
from telephony.kernel.secret import Secret
from tests.support.legs import Heard, Node, Talker, carrier, dialled, node
from tests.support.media import header, level_of, talk, ulaw_samples, ulaw_tone

pytestmark = pytest.mark.wire

Gateway = tuple[SipLegs, Heard]
Made = Callable[..., AbstractAsyncContextManager[Gateway]]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with node(tmp_path_factory.mktemp("legs")) as running:
        yield running


@pytest.fixture
async def gateway(running: Node, callee: Talker) -> AsyncIterator[Gateway]:
    async with running.gateway({"carrier": carrier(port=callee.sip.port)}) as gateway:
        yield gateway


async def over(gateway: Gateway, leg: str, *others: Talker) -> Ended:
    """Hang up; return what is told of the end."""
    await gateway[0].hang_up(leg)
    for each in others:
        await each.bye()
    return await gateway[1].expect(Ended, leg)


async def test_a_call_rings_is_answered_and_ends(gateway: Gateway, callee: Talker) -> None:
    legs, heard = gateway
    headers = (
        ("X-Mine", "yes"),
        ("Via", "forged"),
        ("X-Tandem-To", "<sip:10.0.0.1>"),
        ("Identity", "e30.s"),
        ("Diversion", "<tel:+49301>;reason=unconditional"),
    )
    await legs.dial(dialled("rings", display="Desk", headers=headers))
    invite = await callee.request("INVITE")
    assert str(invite.uri) == f"sip:+493099999@127.0.0.1:{callee.sip.port}"
    assert (invite.headers.get("From") or "").startswith('"Desk" <sip:+14255550100@127.0.0.1>')
    assert invite.headers.get("P-Asserted-Identity") == "<sip:+14255550100@127.0.0.1>"
    assert invite.headers.get("Diversion") == "<tel:+49301>;reason=unconditional"
    assert (invite.headers.get("X-Mine"), invite.headers.get("Identity")) == ("yes", "e30.s")
    assert "X-Tandem-To" not in invite.headers
    assert len(invite.headers.all("Via")) == 1
    assert b"RTP/AVP 8 0 " in invite.body
    callee.sip.say(invite, 180, "Ringing")
    assert await heard.expect(Rang) == Rang("rings", 180, False)
    callee.sip.say(invite, 183, "Session Progress", body=callee.offer())
    assert await heard.expect(Rang) == Rang("rings", 183, True)
    callee.sip.say(invite, 200, "OK", body=callee.offer())
    await callee.request("ACK")
    assert await heard.expect(Answered) == Answered("rings", "PCMU")
    ended = await over(gateway, "rings", callee)
    assert (ended.cause.sip, ended.cause.q850, ended.unheard) == (200, 16, False)


async def test_a_caller_who_hides_is_hidden(gateway: Gateway, callee: Talker) -> None:
    await gateway[0].dial(dialled("hides", display="Desk", privacy=True))
    invite = await callee.request("INVITE")
    assert str(invite.from_.uri) == "sip:anonymous@anonymous.invalid"
    assert invite.headers.get("Privacy") == "id"
    assert invite.headers.get("P-Asserted-Identity") == "<sip:+14255550100@127.0.0.1>"
    callee.sip.say(invite, 603, "Decline")
    assert (await gateway[1].expect(Ended)).cause.sip == 603


@pytest.mark.parametrize(("status", "q850"), [(486, 17), (503, 34), (404, 1)])
async def test_a_refusal_is_told_with_its_cause(
    gateway: Gateway, callee: Talker, status: int, q850: int
) -> None:
    await gateway[0].dial(dialled(f"refused-{status}"))
    callee.sip.say(await callee.request("INVITE"), status, "No", Reason=f"Q.850;cause={q850}")
    ended = await gateway[1].expect(Ended)
    assert (ended.cause.sip, ended.cause.q850, ended.cause.told) == (status, q850, True)
    assert (ended.unheard, ended.cause.by_peer) == (False, True)


async def test_a_redirection_says_where(gateway: Gateway, callee: Talker) -> None:
    await gateway[0].dial(dialled("moved"))
    callee.sip.say(await callee.request("INVITE"), 302, "Moved Temporarily")
    ended = await gateway[1].expect(Ended)
    assert (ended.cause.sip, ended.contact) == (302, f"sip:peer@127.0.0.1:{callee.sip.port}")


async def test_a_peer_that_says_nothing_is_given_up_quickly(gateway: Gateway, callee: Talker) -> None:
    begin = time.monotonic()
    await gateway[0].dial(dialled("unheard", heard_within=0.3))
    assert (await gateway[1].expect(Ended)).unheard
    assert time.monotonic() - begin < 2.0
    assert gateway[0].room().calls == 1  # until its peer agrees, or 32 s
    callee.sip.say(await callee.request("INVITE"), 487, "Request Terminated")
    await callee.request("ACK")


async def test_a_peer_that_says_100_is_waited_for(gateway: Gateway, callee: Talker) -> None:
    await gateway[0].dial(dialled("trying", heard_within=0.8))
    invite = await callee.request("INVITE")
    callee.sip.say(invite, 100, "Trying")
    assert await asyncio.to_thread(callee.sip.quiet, 0.9)  # no CANCEL, though its time is over
    callee.sip.say(invite, 180, "Ringing")
    assert (await gateway[1].expect(Rang)).status == 180
    callee.sip.say(invite, 480, "Gone")
    ended = await gateway[1].expect(Ended)
    assert (ended.cause.sip, ended.unheard) == (480, False)


async def test_a_call_that_rings_is_cancelled(gateway: Gateway, callee: Talker) -> None:
    await gateway[0].dial(dialled("cancelled"))
    invite = await callee.request("INVITE")
    callee.sip.say(invite, 180, "Ringing")
    await gateway[1].expect(Rang)
    await gateway[0].hang_up("cancelled")
    callee.sip.say(await callee.request("CANCEL"), 200, "OK")
    callee.sip.say(invite, 487, "Request Terminated")
    assert (await gateway[1].expect(Ended)).cause.sip == 487


async def test_an_answer_that_crosses_our_cancel_is_hung_up(gateway: Gateway, callee: Talker) -> None:
    await gateway[0].dial(dialled("crosses"))
    invite = await callee.request("INVITE")
    callee.sip.say(invite, 180, "Ringing")
    await gateway[1].expect(Rang)
    await gateway[0].hang_up("crosses")
    cancel = await callee.request("CANCEL")
    callee.sip.say(invite, 200, "OK", body=callee.offer())
    callee.sip.say(cancel, 200, "OK")
    await callee.bye()
    await gateway[1].expect(Ended)


async def test_a_call_ended_before_anything_came_back_is_over_at_once(
    gateway: Gateway, callee: Talker
) -> None:
    await gateway[0].dial(dialled("early-end"))
    invite = await callee.request("INVITE")
    await gateway[0].hang_up("early-end")
    assert (await gateway[1].expect(Ended)).cause.sip == 487
    callee.sip.say(invite, 100, "Trying")
    callee.sip.say(await callee.request("CANCEL"), 200, "OK")
    callee.sip.say(invite, 487, "Request Terminated")
    await callee.request("ACK")


async def test_two_legs_hear_each_other(
    running: Node, gateway: Gateway, caller: Talker, callee: Talker
) -> None:
    legs, heard = gateway
    caller.invite("bridged", running.port())
    first = (await heard.expect(Offered)).leg
    await legs.dial(dialled("second", beside=first))
    await callee.answer()
    await heard.expect(Answered, "second")
    await legs.answer(first)
    await caller.answered(running.port())
    await heard.expect(Answered, first)
    await legs.join((first, "second"), "bridge")
    both = [caller.sound, callee.sound]
    await asyncio.to_thread(talk, both, [ulaw_tone(500.0), ulaw_tone(900.0)], 25)
    assert level_of(ulaw_samples(caller.sound.heard[-10:]), 900.0) > -13.0
    assert level_of(ulaw_samples(callee.sound.heard[-10:]), 500.0) > -13.0
    await legs.part(first)
    caller.sound.heard.clear()
    await asyncio.to_thread(talk, [callee.sound], [ulaw_tone(900.0)], 10)
    assert level_of(ulaw_samples(caller.sound.heard[-4:]), 900.0) < -40.0
    ended = await over(gateway, "second", callee)
    assert ended.quality.mos is not None
    await over(gateway, first, caller)


@pytest.mark.parametrize("way", ["rfc4733", "inband", "info"])
async def test_digits_are_pressed_in_the_trunks_way(running: Node, callee: Talker, way: str) -> None:
    async with running.gateway({"carrier": carrier(port=callee.sip.port, dtmf=way)}) as (legs, heard):
        await legs.dial(dialled(f"digits-{way}"))
        await callee.answer()
        await heard.expect(Answered)
        await legs.press(f"digits-{way}", "5x")
        if way == "info":
            info = await callee.request("INFO")
            assert b"Signal=5" in info.body
            callee.sip.say(info, 200, "OK")
        else:
            packets = await asyncio.to_thread(callee.sound.wait, 5)
            assert [header(each)[0] for each in packets[:5]] == [101 if way == "rfc4733" else 0] * 5
            if way == "inband":
                assert level_of(ulaw_samples(packets[:5]), 770.0) > -20.0
            else:
                assert packets[0][12] == 5
        await over((legs, heard), f"digits-{way}", callee)


async def test_a_challenge_is_answered_in_the_realm_that_the_carrier_names(
    running: Node, callee: Talker
) -> None:
    digest = SipDigest(username="desk", password=Secret("word"))
    trunk = carrier(port=callee.sip.port, digest=digest)
    async with running.gateway({"carrier": trunk}) as (legs, heard):
        asked = Challenge("carrier.test", "n1")
        secret = ha1("desk", "carrier.test", "word")
        await legs.dial(dialled("challenged"))
        callee.sip.say(await callee.request("INVITE"), 407, "Who", Proxy_Authenticate=str(asked))
        bare = await callee.request("INVITE")
        assert bare.headers.get("Proxy-Authorization") is None  # pjsip answers challenges only when asked
        callee.sip.say(bare, 407, "Who", Proxy_Authenticate=str(asked))
        second = await callee.request("INVITE")
        told = second.headers.get("Proxy-Authorization") or ""
        assert verify(asked, told, secret=secret, method="INVITE")
        callee.sip.say(second, 486, "Busy Here")
        assert (await heard.expect(Ended)).cause.sip == 486


class Two:
    """Finds a trunk at two addresses, of which the first is nobody's."""

    def __init__(self, port: int, dead: int) -> None:
        self.targets = (Target("udp", "127.0.0.1", dead), Target("udp", "127.0.0.1", port))

    async def find(self, facts: TrunkFacts) -> tuple[Target, ...]:
        return self.targets


async def test_the_next_address_of_a_trunk_is_tried(running: Node, caller: Talker, callee: Talker) -> None:
    finder = Two(callee.sip.port, caller.sip.port)
    async with running.gateway({"carrier": carrier(host="carrier.test")}, finder=finder) as (legs, heard):
        await legs.dial(dialled("fails-over", heard_within=0.8))
        silent = await caller.request("INVITE")
        invite = await callee.request("INVITE")
        assert str(invite.uri) == f"sip:+493099999@127.0.0.1:{callee.sip.port}"
        assert str(invite.to.uri) == "sip:+493099999@carrier.test"
        callee.sip.say(invite, 486, "Busy Here")
        assert (await heard.expect(Ended)).cause.sip == 486
        caller.sip.say(silent, 487, "Request Terminated")
        await caller.request("ACK")


async def test_a_trunk_without_an_address_is_a_fault_of_the_trunk(running: Node) -> None:
    async with running.gateway({"carrier": carrier(host="nowhere.test")}) as (legs, heard):
        await legs.dial(dialled("nowhere"))
        ended = await heard.expect(Ended)
        assert (ended.cause.sip, ended.unheard) == (503, True)
        assert legs.room().calls == 0


async def test_a_trunk_that_is_not_known_is_no_room(gateway: Gateway) -> None:
    with pytest.raises(NoRoom):
        await gateway[0].dial(Dialled("unknown", Trunk("carrier", "other"), "+49", "+1"))


async def test_a_fifth_call_of_one_worker_is_no_room(gateway: Gateway, callee: Talker) -> None:
    for number in range(4):
        await gateway[0].dial(dialled(f"many-{number}"))
    with pytest.raises(NoRoom):
        await gateway[0].dial(dialled("many-4"))
    for _ in range(4):
        callee.sip.say(await callee.request("INVITE"), 486, "Busy Here")
    for number in range(4):
        await gateway[1].expect(Ended, f"many-{number}")
    assert gateway[0].room().calls == 0


async def test_headers_follow_the_trunks_rules(running: Node, callee: Talker) -> None:
    rules = SipHeaders(caller="ppi", privacy="header")
    trunk = carrier(port=callee.sip.port, headers=rules)
    async with running.gateway({"carrier": trunk}) as (legs, heard):
        await legs.dial(dialled("rules", privacy=True))
        invite = await callee.request("INVITE")
        assert invite.from_.uri.user == "+14255550100"
        assert invite.headers.get("P-Preferred-Identity") == "<sip:+14255550100@127.0.0.1>"
        callee.sip.say(invite, 486, "Busy Here")
        await heard.expect(Ended)


async def test_digits_of_a_callee_are_told(gateway: Gateway, callee: Talker) -> None:
    legs, heard = gateway
    await legs.dial(dialled("presses"))
    await callee.answer()
    await heard.expect(Answered)
    for duration, ends in ((160, 0), (320, 0x80), (320, 0x80), (320, 0x80)):
        event = bytes((11, ends | 10)) + duration.to_bytes(2, "big")
        callee.sound.send(event, ticks=0, payload_type=101, marker=duration == 160)
    assert await heard.expect(Pressed) == Pressed("presses", "#", "rfc4733")
    await over(gateway, "presses", callee)
