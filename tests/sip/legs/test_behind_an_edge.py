"""Calls behind an edge: it says whose they are, and is told where they go."""

import secrets
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from carriers.model.quirks import Quirk
from sip.legs.targets import Target
from sip.legs.trunks import TrunkFacts
from telephony.calling.ports import Answered, Ended, Offered
from tests.support.legs import Node, Talker, carrier, dialled, node

pytestmark = pytest.mark.wire

SECRET = secrets.token_hex(8)
KEY = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVpbXF1e"


@pytest.fixture(scope="module")
def edge() -> Iterator[Talker]:
    edge = Talker()
    yield edge
    edge.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, edge: Talker) -> Iterator[Node]:
    folder = tmp_path_factory.mktemp("legs")
    with node(folder, secret=SECRET, edge=f"sip:127.0.0.1:{edge.sip.port};lr") as running:
        yield running


class Named:
    """Finds a trunk behind TLS."""

    async def find(self, facts: TrunkFacts) -> tuple[Target, ...]:
        return (Target("tls", "192.0.2.7", 5061, "carrier.test"),)


async def test_the_edge_says_whose_a_call_is_and_where_it_came_from(running: Node, edge: Talker) -> None:
    trunk = carrier(addresses=())
    async with running.gateway({"carrier": trunk}, edge=True, secret=SECRET) as (legs, heard):
        edge.invite(
            "edge-in",
            running.port(),
            X_Tandem_Edge=SECRET,
            X_Tandem_Trunk="carrier/voice",
            X_Tandem_Source="udp:192.0.2.9:5060",
        )
        offered = await heard.expect(Offered)
        assert (offered.carrier, offered.trunk) == ("carrier", "voice")
        assert not [name for name, _ in offered.headers if name.lower().startswith("x-tandem")]
        await legs.hang_up(offered.leg, 486, 17)
        assert (await edge.response()).status == 486
        await heard.expect(Ended)


async def test_a_call_of_a_trunk_that_is_not_known_any_more_is_refused(running: Node, edge: Talker) -> None:
    async with running.gateway({"carrier": carrier()}, edge=True, secret=SECRET) as (legs, heard):
        edge.invite("gone", running.port(), X_Tandem_Edge=SECRET, X_Tandem_Trunk="carrier/gone")
        assert (await edge.response()).status == 403
        assert (heard.events, legs.refusals()["stranger"]) == ([], 1)


async def test_the_edge_is_told_where_a_call_goes(running: Node, edge: Talker) -> None:
    trunk = carrier(host="carrier.test", transport="tls", srtp="required")
    gateway = running.gateway({"carrier": trunk}, edge=True, secret=SECRET, finder=Named())
    async with gateway as (legs, heard):
        await legs.dial(dialled("edge-out"))
        invite = await edge.request("INVITE")
        assert str(invite.uri) == "sip:+493099999@carrier.test"
        assert invite.headers.get("X-Tandem-Edge") == SECRET
        assert invite.headers.get("X-Tandem-Trunk") == "carrier/voice"
        where = "<sip:192.0.2.7:5061;transport=tls;server-name=carrier.test>"
        assert invite.headers.get("X-Tandem-To") == where
        assert b"RTP/SAVP " in invite.body
        assert b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" in invite.body
        edge.hears(invite.body)
        key = f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}"
        edge.sip.say(invite, 200, "OK", body=edge.offer(key).replace(b"RTP/AVP", b"RTP/SAVP"))
        await edge.request("ACK")
        assert await heard.expect(Answered) == Answered("edge-out", "PCMU")
        await legs.hang_up("edge-out")
        await edge.bye()
        await heard.expect(Ended)


async def test_what_the_edge_says_nothing_came_back_of_is_unheard(running: Node, edge: Talker) -> None:
    gateway = running.gateway({"carrier": carrier()}, edge=True, secret=SECRET, finder=Named())
    async with gateway as (legs, heard):
        await legs.dial(dialled("edge-unheard"))
        invite = await edge.request("INVITE")
        edge.sip.say(invite, 100, "Trying")
        edge.sip.say(invite, 408, "Request Timeout", X_Tandem_Unheard="yes")
        assert (await heard.expect(Ended)).unheard


async def test_encrypted_calls_of_a_trunk_by_tls_are_taken(running: Node, edge: Talker) -> None:
    trunk = carrier(transport="tls", srtp="required")
    async with running.gateway({"carrier": trunk}, edge=True, secret=SECRET) as (legs, heard):
        said = {"X_Tandem_Edge": SECRET, "X_Tandem_Trunk": "carrier/voice"}
        edge.invite("plain", running.port(), **said)
        refusal = await edge.response()
        assert (refusal.status, "required" in (refusal.headers.get("Warning") or "")) == (488, True)
        key = f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}"
        edge.invite("secret", running.port(), edge.offer(key).replace(b"RTP/AVP", b"RTP/SAVP"), **said)
        leg = (await heard.expect(Offered)).leg
        await legs.answer(leg)
        answer = await edge.answered(running.port())
        assert b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" in answer.body
        await heard.expect(Answered)
        await legs.hang_up(leg)
        await edge.bye()
        await heard.expect(Ended)


async def test_a_carrier_that_cannot_take_session_timers_is_offered_none(running: Node, edge: Talker) -> None:
    odd = replace(carrier(), quirks=(Quirk.NO_SESSION_TIMER,))
    for trunk, offered in ((odd, False), (carrier(), True)):
        gateway = running.gateway({"carrier": trunk}, edge=True, secret=SECRET, finder=Named())
        async with gateway as (legs, heard):
            await legs.dial(dialled(f"quirks-{offered}"))
            invite = await edge.request("INVITE")
            assert ("timer" in ",".join(invite.headers.all("Supported"))) is offered
            edge.sip.say(invite, 486, "Busy Here")
            await heard.expect(Ended)
