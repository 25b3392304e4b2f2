"""A real Kamailio before real workers: who comes in, where calls go out to, what peers see of the inside."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from sip.edge.rpc import Rpc
from sip.edge.settings import EdgeSettings
from sip.wire.message import Response
from sip.workers.messages import (
    Answer,
    Answered,
    Dial,
    Ended,
    Hangup,
    Header,
    Incoming,
    Place,
    Progress,
    WorkerSettings,
)
from tests.support.edge import SECRET, edge, free_ports
from tests.support.sip import OFFER, Gateway, Peer, workers

pytestmark = pytest.mark.peer


class Node:
    """An edge, and the gateway's ends of a worker that takes calls, one more, and one that makes them."""

    def __init__(self, settings: EdgeSettings, rpc: Rpc, gateways: list[Gateway]) -> None:
        self.settings, self.rpc = settings, rpc
        self.first, self.second, self.out = gateways
        self.port = settings.port


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    folder = tmp_path_factory.mktemp("edge")
    port = free_ports(8)
    settings = EdgeSettings(folder=folder / "e", port=port, first_worker_port=port + 2, ins=2, outs=1)
    inside = WorkerSettings(
        folder=str(folder), host="127.0.0.1", first_port=port + 2, workers=3, edge=settings.inside
    )
    with workers(inside, SECRET), edge(settings, "1 127.0.0.1 32 0 acme/berlin\n") as rpc:
        gateways = [Gateway(msgspec.structs.replace(inside, workers=1), number) for number in range(3)]
        gateways[0].spare("a1", "a2", "a3", "a4")
        yield Node(settings, rpc, gateways)
        for each in gateways:
            each.close()


@pytest.fixture
def peer() -> Iterator[Peer]:
    made = Peer()
    yield made
    made.close()


def test_a_call_of_a_trunk_reaches_a_worker_with_the_trunks_name_and_true_source(
    node: Node, peer: Peer
) -> None:
    forged = (
        ("X-Tandem-Trunk", "other/trunk"),
        ("x-tandem-EDGE", "guess"),
        ("X-Tandem-Source", "udp:6.6.6.6:1"),
    )
    peer.send(peer.make("INVITE", "in-1", body=OFFER, extra=forged), node.port)
    came = node.first.expect(Incoming)
    told = {each.name.lower(): each.value for each in came.headers}
    assert told.get("x-tandem-source") == f"udp:127.0.0.1:{peer.port}"
    assert "other/trunk" not in str(came)
    node.first.do(Answer(came.call, 200))
    answer = peer.response()
    assert answer.status == 200
    assert not [name for name, _ in answer.headers if name.lower().startswith("x-tandem")]
    peer.send(peer.in_dialog("ACK", answer, 1, extra=routes(answer)), node.port)
    node.first.expect(Answered)
    bye = peer.in_dialog("BYE", answer, 2, extra=routes(answer))
    peer.send(bye, node.port)
    assert peer.response().status == 200
    assert node.first.expect(Ended).by_peer
    node.first.spare("a5")


def routes(answer: Response) -> list[tuple[str, str]]:
    return [("Route", value) for value in reversed(answer.headers.all("Record-Route"))]


@pytest.mark.parametrize("by_route", [True, False], ids=["by Route", "by Request-URI"])
def test_a_peer_cannot_have_the_edge_send_to_anybody_but_workers(
    node: Node, peer: Peer, by_route: bool
) -> None:
    victim = Peer()
    try:
        here, there = f"<sip:127.0.0.1:{node.port};lr>", f"127.0.0.1:{victim.port}"
        extra = [("Route", here), *([("Route", f"<sip:{there};lr>")] if by_route else [])]
        uri = f"sip:x@127.0.0.1:{node.first.port}" if by_route else f"sip:x@{there}"
        told = f"<sip:x@{there}>;tag=made-up"
        for method in ("BYE", "INVITE", "INFO"):
            call = f"relay-{method}-{by_route}"
            peer.send(peer.make(method, call, uri=uri, to=told, extra=extra), node.port)
            assert peer.response().status == 403
        assert victim.quiet(0.05)
    finally:
        victim.close()


def test_a_worker_without_room_is_passed_over(node: Node, peer: Peer) -> None:
    """The second worker has no legs ready, and says 503: no caller ever hears that."""
    for number in range(3):
        call = f"over-{number}"
        peer.send(peer.make("INVITE", call, body=OFFER), node.port)
        came = node.first.expect(Incoming)
        assert came.call_id == call
        node.first.do(Answer(came.call, 486))
        assert peer.response().status == 486
        node.first.expect(Ended)
        node.first.spare(f"b{number}")


def test_options_are_answered_and_refused_while_it_drains(node: Node, peer: Peer) -> None:
    peer.send(peer.make("OPTIONS", "o-1"), node.port)
    assert peer.response().status == 200
    asyncio.run(node.rpc.ask("pv.shvSet", "draining", "int", 1))
    try:
        peer.send(peer.make("OPTIONS", "o-2"), node.port)
        assert peer.response().status == 503
        peer.send(peer.make("INVITE", "o-3", body=OFFER), node.port)
        refused = peer.response()
        assert (refused.status, refused.headers.get("Retry-After")) == (503, "5")
    finally:
        asyncio.run(node.rpc.ask("pv.shvSet", "draining", "int", 0))


@pytest.mark.parametrize(
    ("extra", "status"),
    [
        ([("X-" + "a" * 130, "1")], 400),
        ([(f"X-{number}", "1") for number in range(110)], 400),
        ([("X-Long", "a" * 17_000)], 513),
    ],
    ids=["a long name", "too many fields", "too large"],
)
def test_what_is_beyond_the_ceilings_is_refused(
    node: Node, peer: Peer, extra: list[tuple[str, str]], status: int
) -> None:
    peer.send(peer.make("INVITE", f"big-{status}-{len(extra)}", body=OFFER, extra=extra), node.port)
    assert peer.response().status == status


def test_a_long_uri_is_refused(node: Node, peer: Peer) -> None:
    peer.send(peer.make("INVITE", "uri", uri=f"sip:{'1' * 300}@tandem.test", body=OFFER), node.port)
    assert peer.response().status == 414


@pytest.mark.parametrize("method", ["REGISTER", "SUBSCRIBE", "MESSAGE", "PUBLISH", "REFER"])
def test_methods_that_open_nothing_are_not_allowed(node: Node, peer: Peer, method: str) -> None:
    peer.send(peer.make(method, f"m-{method}"), node.port)
    assert peer.response().status == 405


def test_a_call_goes_out_to_where_its_worker_says_and_shows_nothing_of_the_inside(
    node: Node, peer: Peer
) -> None:
    where = f"<sip:127.0.0.1:{peer.port};transport=udp>"
    node.out.do(
        Dial(
            "out-1",
            Place("leg", "127.0.0.1", 20_000),
            "sip:+493012345@carrier.example",
            "<sip:+14255550100@127.0.0.1>",
            headers=(Header("X-Tandem-To", where), Header("X-Tandem-Edge", SECRET)),
        )
    )
    invite = peer.request("INVITE")
    assert invite.uri == "sip:+493012345@carrier.example"
    assert not [name for name, _ in invite.headers if name.lower().startswith("x-tandem")]
    assert node.out.expect(Progress).status == 100  # the edge's own
    peer.say(invite, 180, "Ringing")
    assert node.out.expect(Progress).status == 180
    peer.say(invite, 486, "Busy Here")
    assert node.out.expect(Ended).status == 486


def test_a_worker_that_does_not_know_the_secret_makes_no_call(node: Node, peer: Peer) -> None:
    where = f"<sip:127.0.0.1:{peer.port};transport=udp>"
    dial = Dial(
        "out-2",
        Place("leg", "127.0.0.1", 20_000),
        "sip:+493012345@carrier.example",
        "<sip:+14255550100@127.0.0.1>",
        headers=(Header("X-Tandem-To", where), Header("X-Tandem-Edge", "x" * 32)),
    )
    node.out.do(dial)
    assert node.out.expect(Ended).status == 403
    node.out.do(Hangup("nobody"))


def test_strangers_reach_nothing(node: Node, peer: Peer, tmp_path: Path) -> None:
    node.settings.peers.write_text("")
    asyncio.run(node.rpc.ask("permissions.addressReload"))
    try:
        peer.send(peer.make("INVITE", "stranger", body=OFFER), node.port)
        assert peer.response().status == 403
        counted = asyncio.run(node.rpc.ask("stats.get_statistics", "script:"))
        assert "script:stranger = 1" in counted
    finally:
        node.settings.peers.write_text("1 127.0.0.1 32 0 acme/berlin\n")
        asyncio.run(node.rpc.ask("permissions.addressReload"))


def test_a_peer_that_says_nothing_is_told_of_as_such_within_four_seconds(node: Node, peer: Peer) -> None:
    dial = Dial(
        "out-3",
        Place("leg", "127.0.0.1", 20_000),
        "sip:+493012345@carrier.example",
        "<sip:+14255550100@127.0.0.1>",
        headers=(
            Header("X-Tandem-To", f"<sip:127.0.0.1:{peer.port};transport=udp>"),
            Header("X-Tandem-Edge", SECRET),
        ),
    )
    node.out.do(dial)
    ended = node.out.expect(Ended)
    assert ended.status == 408
    assert [each.value for each in ended.headers if each.name == "X-Tandem-Unheard"] == ["silence"]


def test_a_trunk_without_a_circuit_is_told_of_as_it_said_it(node: Node, peer: Peer) -> None:
    dial = Dial(
        "out-4",
        Place("leg", "127.0.0.1", 20_000),
        "sip:+493012345@carrier.example",
        "<sip:+14255550100@127.0.0.1>",
        headers=(
            Header("X-Tandem-To", f"<sip:127.0.0.1:{peer.port};transport=udp>"),
            Header("X-Tandem-Edge", SECRET),
        ),
    )
    node.out.do(dial)
    peer.say(peer.request("INVITE"), 503, "No Circuit", Reason="Q.850;cause=34")
    ended = node.out.expect(Ended)
    assert (ended.status, ended.reason) == (503, "No Circuit")
    assert [each.value for each in ended.headers if each.name == "Reason"] == ["Q.850;cause=34"]
