"""A worker and a peer on real sockets: what pjsip does by itself, and what we make of it."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from sip.wire.digest import Challenge, ha1, username_of, verify
from sip.wire.message import Response
from sip.wire.sdp import parse_sdp
from sip.workers.messages import (
    Admit,
    Answer,
    Answered,
    Changed,
    Credentials,
    Dial,
    Drain,
    Ended,
    Failed,
    Freed,
    Hangup,
    Header,
    Hold,
    Holding,
    Incoming,
    Info,
    Place,
    Pressed,
    Progress,
    Side,
    Withdraw,
    WorkerSettings,
)
from tests.support.sip import OFFER, Gateway, Peer, free_port, workers

pytestmark = pytest.mark.wire

SECRET = "of-this-start"
TRUSTED = [("X-Tandem-Edge", SECRET)]
ENGINE = "127.0.0.9"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerSettings]:
    settings = WorkerSettings(
        str(tmp_path_factory.mktemp("workers")), first_port=free_port(), workers=1, sources=("127.0.0.1",)
    )
    with workers(settings):
        yield settings


@pytest.fixture
def gateway(settings: WorkerSettings) -> Iterator[Gateway]:
    gateway = Gateway(settings)
    for number in range(4 - len(gateway.ready.spares)):
        gateway.spare(f"leg-{number}")
    yield gateway
    gateway.close()


@pytest.fixture
def peer() -> Iterator[Peer]:
    peer = Peer()
    yield peer
    peer.close()


def arrived(gateway: Gateway, peer: Peer, call_id: str, body: bytes = OFFER) -> Incoming:
    peer.send(peer.make("INVITE", call_id, body=body, extra=TRUSTED), gateway.port)
    return gateway.expect(Incoming)


def answered(gateway: Gateway, peer: Peer, call_id: str) -> tuple[str, Response]:
    call = arrived(gateway, peer, call_id).call
    gateway.do(Answer(call, 200))
    answer = peer.response(over=199)
    assert answer.status == 200
    peer.send(peer.in_dialog("ACK", answer, 1), gateway.port)
    assert gateway.expect(Answered).remote is not None
    return call, answer


def ended(gateway: Gateway, peer: Peer, call: str) -> Ended:
    gateway.do(Hangup(call))
    peer.say(peer.request("BYE"), 200, "OK")
    return gateway.expect(Ended)


def dialled(gateway: Gateway, peer: Peer, call: str, **options: object) -> None:
    place = Place(f"leg-{call}", ENGINE, 21000)
    uri = f"sip:+493099999@127.0.0.1:{peer.port}"
    gateway.do(Dial(call, place, uri, '"Desk" <sip:+14255550100@tandem.test>', **options))  # type: ignore[arg-type]


def test_the_wheel_says_how_many_calls_it_holds(gateway: Gateway) -> None:
    assert gateway.ready.calls == 4


def test_options_are_answered(gateway: Gateway, peer: Peer) -> None:
    peer.send(peer.make("OPTIONS", "options"), gateway.port)
    assert peer.response().status == 200


def test_a_call_that_came_is_answered_with_the_engines_address(gateway: Gateway, peer: Peer) -> None:
    extra = [*TRUSTED, ("P-Asserted-Identity", "<sip:+442071234567@peer.test>"), ("Diversion", "<sip:d@x>")]
    peer.send(peer.make("INVITE", "in", body=OFFER, extra=extra), gateway.port)
    incoming = gateway.expect(Incoming)
    told = {header.name: header.value for header in incoming.headers}
    assert told["P-Asserted-Identity"] == "<sip:+442071234567@peer.test>"
    assert told["Diversion"] == "<sip:d@x>"
    assert "X-Tandem-Edge" not in told
    assert incoming.offer
    gateway.do(Answer(incoming.call, 180))
    assert peer.response().status == 180
    gateway.do(Answer(incoming.call, 200, headers=(Header("X-Trace", "7"),)))
    answer = peer.response(over=199)
    assert answer.headers.get("X-Trace") == "7"
    sdp = parse_sdp(answer.body)
    assert sdp.audio is not None
    assert (sdp.address(sdp.audio), sdp.audio.port) == (ENGINE, 20000)
    peer.send(peer.in_dialog("ACK", answer, 1), gateway.port)
    up = gateway.expect(Answered)
    assert up.remote is not None
    assert (up.remote.host, up.remote.port, up.remote.codec.telephone_event) == ("127.0.0.1", 41000, 101)
    peer.send(peer.in_dialog("BYE", answer, 2, extra=[("Reason", "Q.850;cause=16")]), gateway.port)
    assert peer.response().status == 200
    over = gateway.expect(Ended)
    assert over.by_peer
    assert Header("Reason", "Q.850;cause=16") in over.headers


def test_early_media_is_answered_reliably_when_the_caller_asks_for_it(gateway: Gateway, peer: Peer) -> None:
    extra = [*TRUSTED, ("Supported", "100rel")]
    peer.send(peer.make("INVITE", "prack", body=OFFER, extra=extra), gateway.port)
    call = gateway.expect(Incoming).call
    gateway.do(Answer(call, 183))
    early = peer.response()
    assert early.status == 183
    assert "100rel" in early.headers.all("Require")
    assert parse_sdp(early.body).audio is not None
    rack = f"{early.headers.get('RSeq')} 1 INVITE"
    peer.send(peer.in_dialog("PRACK", early, 2, extra=[("RAck", rack)]), gateway.port)
    assert peer.response(over=199).cseq == (2, "PRACK")
    gateway.do(Answer(call, 200))
    answer = peer.response(over=199)
    peer.send(peer.in_dialog("ACK", answer, 1), gateway.port)
    gateway.expect(Answered)
    ended(gateway, peer, call)


def test_a_session_timer_is_agreed(gateway: Gateway, peer: Peer) -> None:
    extra = [*TRUSTED, ("Supported", "timer"), ("Session-Expires", "1800")]
    peer.send(peer.make("INVITE", "timer", body=OFFER, extra=extra), gateway.port)
    call = gateway.expect(Incoming).call
    gateway.do(Answer(call, 200))
    answer = peer.response(over=199)
    assert (answer.headers.get("Session-Expires") or "").startswith(("900", "1800"))
    peer.send(peer.in_dialog("ACK", answer, 1), gateway.port)
    gateway.expect(Answered)
    ended(gateway, peer, call)


def test_a_late_offer_is_ours_and_its_answer_comes_with_the_ack(gateway: Gateway, peer: Peer) -> None:
    call = arrived(gateway, peer, "late", b"").call
    gateway.do(Answer(call, 200))
    answer = peer.response(over=199)
    offer = parse_sdp(answer.body)
    assert offer.audio is not None
    assert offer.address(offer.audio) == ENGINE
    peer.send(peer.in_dialog("ACK", answer, 1, OFFER), gateway.port)
    up = gateway.expect(Answered)
    changed = up.remote or gateway.expect(Changed).remote
    assert (changed.host, changed.port) == ("127.0.0.1", 41000)
    ended(gateway, peer, call)


def test_digits_go_both_ways_by_info(gateway: Gateway, peer: Peer) -> None:
    call, answer = answered(gateway, peer, "info")
    body = b"Signal=5\r\nDuration=160\r\n"
    relay = [("Content-Type", "application/dtmf-relay")]
    peer.send(peer.in_dialog("INFO", answer, 2, body, relay), gateway.port)
    assert peer.response().status == 200
    assert gateway.expect(Pressed).digit == "5"
    gateway.do(Info(call, "7"))
    info = peer.request("INFO")
    assert b"Signal=7" in info.body
    peer.say(info, 200, "OK")
    ended(gateway, peer, call)


@pytest.mark.parametrize("way", [b"a=sendonly", b"a=inactive"])
def test_a_peer_that_holds_is_told_and_answered(gateway: Gateway, peer: Peer, way: bytes) -> None:
    call, answer = answered(gateway, peer, "held" + way.decode()[2:])
    held = OFFER.replace(b"peer 1 1", b"peer 1 2") + way + b"\r\n"
    peer.send(peer.in_dialog("INVITE", answer, 2, held), gateway.port)
    again = peer.response()
    assert again.status == 200
    peer.send(peer.in_dialog("ACK", again, 2), gateway.port)
    assert gateway.expect(Changed).remote.direction == way.decode()[2:]
    ended(gateway, peer, call)


def test_we_hold_and_go_on(gateway: Gateway, peer: Peer) -> None:
    call, _ = answered(gateway, peer, "holding")
    for on, direction in ((True, "sendonly"), (False, "sendrecv")):
        gateway.do(Hold(call, on))
        offer = peer.request("INVITE")
        sdp = parse_sdp(offer.body)
        assert sdp.audio is not None
        assert sdp.direction(sdp.audio) == direction
        assert sdp.address(sdp.audio) == ENGINE
        peer.say(offer, 200, "OK", body=OFFER)
        peer.request("ACK")
    ended(gateway, peer, call)


def test_video_gets_port_0_and_the_call_goes_on(gateway: Gateway, peer: Peer) -> None:
    call, answer = answered(gateway, peer, "video")
    more = OFFER.replace(b"peer 1 1", b"peer 1 2") + b"m=video 5000 RTP/AVP 31\r\n"
    peer.send(peer.in_dialog("INVITE", answer, 2, more), gateway.port)
    again = peer.response()
    assert again.status == 200
    assert [media.port > 0 for media in parse_sdp(again.body).media] == [True, False]
    peer.send(peer.in_dialog("ACK", again, 2), gateway.port)
    ended(gateway, peer, call)


def test_a_fax_is_refused_and_the_call_goes_on(gateway: Gateway, peer: Peer) -> None:
    call, answer = answered(gateway, peer, "fax")
    fax = OFFER.replace(b"peer 1 1", b"peer 1 2").partition(b"m=")[0] + b"m=image 5004 udptl t38\r\n"
    peer.send(peer.in_dialog("INVITE", answer, 2, fax), gateway.port)
    assert peer.response().status == 488
    ended(gateway, peer, call)


def test_a_caller_that_cancels_ends_it(gateway: Gateway, peer: Peer) -> None:
    invite = peer.make("INVITE", "cancel", body=OFFER, extra=TRUSTED)
    peer.send(invite, gateway.port)
    call = gateway.expect(Incoming).call
    gateway.do(Answer(call, 180))
    peer.response()
    cancel = peer.make("CANCEL", "cancel")
    cancel.headers.set("Via", invite.headers.get("Via") or "")
    peer.send(cancel, gateway.port)
    assert {peer.response(over=199).status, peer.response(over=199).status} == {200, 487}
    assert gateway.expect(Ended).by_peer


def test_a_call_that_we_refuse_says_why(gateway: Gateway, peer: Peer) -> None:
    call = arrived(gateway, peer, "refused").call
    gateway.do(Answer(call, 404, "Not Found", (Header("Reason", "Q.850;cause=1"),)))
    refusal = peer.response()
    assert (refusal.status, refusal.headers.get("Reason")) == (404, "Q.850;cause=1")
    assert gateway.expect(Ended).status == 404


def test_what_the_edge_did_not_pass_on_is_refused(tmp_path: Path, peer: Peer) -> None:
    settings = WorkerSettings(
        str(tmp_path), first_port=free_port(), workers=1, edge="sip:127.0.0.1:9;lr", sources=("127.0.0.1",)
    )
    with workers(settings, SECRET):
        gateway = Gateway(settings)
        gateway.spare("leg-a")
        guessed = [("X-Tandem-Edge", "guessed")]
        for number, extra in enumerate(([], guessed, [*TRUSTED, *TRUSTED])):
            peer.send(peer.make("INVITE", f"stranger-{number}", body=OFFER, extra=extra), gateway.port)
            assert peer.response().status == 403
        assert arrived(gateway, peer, "trusted").leg == "leg-a"
        gateway.close()


def test_a_draining_worker_takes_no_call(gateway: Gateway, peer: Peer) -> None:
    gateway.do(Drain())
    peer.send(peer.make("INVITE", "drain", body=OFFER, extra=TRUSTED), gateway.port)
    refusal = peer.response()
    assert refusal.status == 503
    assert "draining" in refusal.reason
    gateway.do(Drain(on=False))


def test_a_call_that_we_dial_rings_answers_and_ends(gateway: Gateway, peer: Peer) -> None:
    dialled(gateway, peer, "out", headers=(Header("P-Asserted-Identity", "<sip:+14255550100@tandem.test>"),))
    invite = peer.request("INVITE")
    assert invite.headers.get("P-Asserted-Identity") == "<sip:+14255550100@tandem.test>"
    assert invite.from_.uri.user == "+14255550100"
    offer = parse_sdp(invite.body)
    assert offer.audio is not None
    assert (offer.address(offer.audio), offer.audio.port) == (ENGINE, 21000)
    assert [each.name for each in offer.audio.encodings] == ["PCMU", "PCMA", "TELEPHONE-EVENT"]
    peer.say(invite, 180, "Ringing")
    assert gateway.expect(Progress).status == 180
    peer.say(invite, 183, "Session Progress", body=OFFER)
    early = gateway.expect(Progress)
    assert early.remote is not None
    assert early.remote.port == 41000
    peer.say(invite, 200, "OK", body=OFFER)
    peer.request("ACK")
    up = gateway.expect(Answered)
    assert up.remote is not None
    assert up.remote.codec.name == "PCMA"
    assert not ended(gateway, peer, "out").by_peer


@pytest.mark.parametrize(
    ("status", "reason"), [(486, "Busy Here"), (503, "Unavailable"), (302, "Moved"), (603, "No")]
)
def test_a_refusal_comes_with_its_headers(gateway: Gateway, peer: Peer, status: int, reason: str) -> None:
    dialled(gateway, peer, f"refused-{status}")
    peer.say(peer.request("INVITE"), status, reason, Reason="Q.850;cause=17")
    over = gateway.expect(Ended)
    assert (over.status, over.by_peer) == (status, True)
    assert Header("Reason", "Q.850;cause=17") in over.headers
    assert any(header.name == "Contact" for header in over.headers)


def test_a_call_that_rings_is_cancelled(gateway: Gateway, peer: Peer) -> None:
    dialled(gateway, peer, "cancelled")
    invite = peer.request("INVITE")
    peer.say(invite, 180, "Ringing")
    gateway.expect(Progress)
    gateway.do(Hangup("cancelled"))
    peer.say(peer.request("CANCEL"), 200, "OK")
    peer.say(invite, 487, "Request Terminated")
    assert gateway.expect(Ended).status == 487


def test_a_challenge_of_the_trunks_realm_is_answered(gateway: Gateway, peer: Peer) -> None:
    secret = ha1("desk", "carrier.test", "word")
    dialled(gateway, peer, "digest", credentials=Credentials("carrier.test", "desk", secret))
    asked = Challenge("carrier.test", "n1")
    first = peer.request("INVITE")
    assert first.headers.get("Proxy-Authorization") is None
    peer.say(first, 407, "Proxy Authentication Required", Proxy_Authenticate=str(asked))
    second = peer.request("INVITE")
    told = second.headers.get("Proxy-Authorization") or ""
    assert username_of(told) == "desk"
    assert verify(asked, told, secret=secret, method="INVITE")
    peer.say(second, 486, "Busy Here")
    assert gateway.expect(Ended).status == 486


def test_a_challenge_of_another_realm_is_not_answered(gateway: Gateway, peer: Peer) -> None:
    credentials = Credentials("carrier.test", "desk", ha1("desk", "carrier.test", "word"))
    dialled(gateway, peer, "phishing", credentials=credentials)
    asked = str(Challenge("elsewhere.test", "n1"))
    peer.say(peer.request("INVITE"), 401, "Unauthorized", WWW_Authenticate=asked)
    assert gateway.expect(Ended).status == 401
    peer.request("ACK")
    assert peer.quiet(0.1)


def test_100_is_told_because_it_says_that_somebody_is_there(gateway: Gateway, peer: Peer) -> None:
    dialled(gateway, peer, "trying")
    invite = peer.request("INVITE")
    peer.say(invite, 100, "Trying")
    assert gateway.expect(Progress).status == 100
    peer.say(invite, 486, "Busy Here")
    assert gateway.expect(Freed).call == "trying"


def test_a_call_that_we_end_keeps_its_slot_until_the_peer_agrees(gateway: Gateway, peer: Peer) -> None:
    # pjsip says at once that such a call is over; a call that was then dialled into its slot would fail.
    for number in range(4):
        dialled(gateway, peer, f"lingers-{number}")
    invites = [peer.request("INVITE") for _ in range(4)]
    for number in range(4):
        gateway.do(Hangup(f"lingers-{number}"))
        assert gateway.expect(Ended).status == 487
    dialled(gateway, peer, "too-early")
    assert gateway.expect(Failed).text == "full"
    for invite in invites:
        peer.say(invite, 487, "Request Terminated")
        gateway.expect(Freed)
    dialled(gateway, peer, "in-time")
    peer.say(peer.request("INVITE"), 486, "Busy Here")
    assert gateway.expect(Ended).status == 486


def test_a_spare_that_was_withdrawn_is_not_used(gateway: Gateway, peer: Peer) -> None:
    for leg in gateway.ready.spares:
        gateway.do(Withdraw(leg))
    for number in range(4):
        gateway.do(Withdraw(f"leg-{number}"))
    gateway.spare("the-only-one")
    call = arrived(gateway, peer, "withdrawn")
    assert call.leg == "the-only-one"
    gateway.do(Hangup(call.call))
    assert peer.response().status == 603
    gateway.expect(Ended)


def test_an_offer_is_told_as_it_came(gateway: Gateway, peer: Peer) -> None:
    call = arrived(gateway, peer, "offer")
    assert call.sdp.encode() == OFFER
    gateway.do(Hangup(call.call))
    peer.response()
    gateway.expect(Ended)


def test_early_media_tells_where_the_caller_hears(gateway: Gateway, peer: Peer) -> None:
    call = arrived(gateway, peer, "early")
    gateway.do(Answer(call.call, 183))
    assert gateway.expect(Changed).remote.port == 41000
    gateway.do(Hangup(call.call, 486))
    peer.response(over=199)
    gateway.expect(Ended)


def test_what_a_peer_answers_to_our_hold_is_told(gateway: Gateway, peer: Peer) -> None:
    call, _ = answered(gateway, peer, "their-word")
    gateway.do(Hold(call))
    peer.say(peer.request("INVITE"), 200, "OK", body=OFFER + b"a=recvonly\r\n")
    peer.request("ACK")
    assert gateway.expect(Changed).remote.direction == "recvonly"
    ended(gateway, peer, call)


def test_an_unknown_call_is_told_and_harms_nothing(gateway: Gateway) -> None:
    gateway.do(Hangup("nobody"))
    failed = gateway.expect(Failed)
    assert (failed.call, failed.command) == ("nobody", "Hangup")


def test_a_gateway_that_comes_again_finds_its_calls(settings: WorkerSettings, peer: Peer) -> None:
    first = Gateway(settings)
    first.spare("leg-again")
    call, answer = answered(first, peer, "again")
    first.close()
    second = Gateway(settings)
    held = second.expect(Holding)
    assert (held.call, held.side, held.state) == (call, Side.IN, "confirmed")
    assert held.place is not None
    assert (held.place.leg, held.source) == (held.leg, f"127.0.0.1:{peer.port}")
    assert second.ready.following == 1
    assert held.remote is not None
    second.close()
    peer.send(peer.in_dialog("BYE", answer, 2), second.port)
    peer.response()
    third = Gateway(settings)
    assert third.expect(Ended).call == call
    third.close()


def test_three_hundred_calls_one_after_the_other_all_get_media(gateway: Gateway, peer: Peer) -> None:
    # The conference bridge has no clock here; without being flushed it is full after 253 streams.
    for number in range(300):
        gateway.spare(f"leg-{number}")
        call, _ = answered(gateway, peer, f"many-{number}")
        ended(gateway, peer, call)


def test_a_worker_that_dies_is_replaced(tmp_path: Path, peer: Peer) -> None:
    settings = WorkerSettings(folder=str(tmp_path), first_port=free_port(), workers=1, sources=("127.0.0.1",))
    with workers(settings):
        first = Gateway(settings)
        first.spare("leg-a")
        peer.send(peer.make("INVITE", "dies", body=OFFER), first.port)
        first.expect(Incoming)
        os.kill(first.ready.pid, signal.SIGKILL)
        assert first.gone()
        first.close()
        second = Gateway(settings, after=first.ready.pid)
        assert second.ready.pid != first.ready.pid
        assert second.ready.spares == ()
        second.spare("leg-b")
        peer.send(peer.make("INVITE", "lives", body=OFFER), second.port)
        assert second.expect(Incoming).leg == "leg-b"
        second.do(Admit(()))
        second.spare("leg-c")
        peer.send(peer.make("INVITE", "not-admitted", body=OFFER), second.port)
        assert peer.response().status == 403
        second.close()
