"""A real Kamailio before a real worker, and messages that nobody should send."""

import asyncio
import random
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from sip.edge.rpc import Rpc
from sip.edge.settings import EdgeSettings
from sip.workers.messages import Answer, Ended, Incoming, WorkerSettings
from tests.support.edge import SECRET, edge, free_ports
from tests.support.promises import Report
from tests.support.scale import scale
from tests.support.sip import OFFER, SECONDS, Gateway, Peer, workers

pytestmark = pytest.mark.peer

TORTURE = sorted((Path(__file__).parents[2] / "wire" / "sip" / "torture").glob("*.sip"))
INVALID = [each for each in TORTURE if each.name.startswith("3.1.2.")]
PING_SECONDS = scale(1.0, 0.1)
"""On every run other tests share the machine."""
NOT_FLOODED = 1_000_000
OTHER = "127.0.0.77"
"""A second address of this machine."""


class Node:
    """An edge before one worker."""

    def __init__(self, port: int, rpc: Rpc, worker: Gateway) -> None:
        self.port, self.rpc, self.worker = port, rpc, worker
        self.pids = self.processes()

    def processes(self) -> list[int]:
        """Return Kamailio's processes: another list means that one was started anew."""
        return [each["PID"] for each in asyncio.run(self.rpc.ask("core.psx"))]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    yield from running(tmp_path_factory.mktemp("edge"), NOT_FLOODED)


@pytest.fixture
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    yield from running(tmp_path_factory.mktemp("edge"), 50)


def running(folder: Path, flood: int) -> Iterator[Node]:
    port = free_ports(8)
    settings = EdgeSettings(
        folder=folder / "e", port=port, first_worker_port=port + 2, ins=1, outs=0, flood=flood
    )
    inside = WorkerSettings(
        folder=str(folder), host="127.0.0.1", first_port=port + 2, workers=1, edge=settings.inside
    )
    with workers(inside, SECRET), edge(settings, "1 127.0.0.1 32 0 acme/berlin\n") as rpc:
        worker = Gateway(msgspec.structs.replace(inside, workers=1), 0)
        yield Node(port, rpc, worker)
        worker.close()


@pytest.fixture
def peer() -> Iterator[Peer]:
    made = Peer()
    yield made
    made.close()


def ping(node: Node, peer: Peer, number: int) -> float:
    """Return after how many seconds an OPTIONS was answered."""
    call = f"ping-{number}"
    begun = time.monotonic()
    peer.send(peer.make("OPTIONS", call), node.port)
    while (answer := peer.response()).call_id != call:
        continue
    assert answer.status == 200
    return time.monotonic() - begun


def takes_a_call(node: Node, peer: Peer, call: str) -> None:
    """Assert that a call comes in, and that it is the first one that does."""
    node.worker.spare(f"leg-{call}")
    peer.send(peer.make("INVITE", call, body=OFFER), node.port)
    came = node.worker.expect(Incoming)
    assert came.call_id == call
    node.worker.do(Answer(came.call, 486))
    while peer.response().call_id != call:
        continue
    node.worker.expect(Ended)


@pytest.mark.promise("R1")
def test_every_torture_message_over_udp_leaves_the_edge_answering(
    node: Node, peer: Peer, promise: Report
) -> None:
    thrower = Peer()
    worst = 0.0
    try:
        for number, sample in enumerate(TORTURE):
            thrower.send_octets(sample.read_bytes(), node.port)
            worst = max(worst, ping(node, peer, number))
    finally:
        thrower.close()
    assert worst < PING_SECONDS
    assert node.processes() == node.pids
    promise(messages=len(TORTURE), slowest_ping_ms=round(worst * 1000, 1))


@pytest.mark.promise("R1")
def test_every_torture_message_over_tcp_leaves_the_edge_answering(
    node: Node, peer: Peer, promise: Report
) -> None:
    worst = 0.0
    for number, sample in enumerate(TORTURE):
        with socket.create_connection(("127.0.0.1", node.port), SECONDS) as connection:
            connection.sendall(sample.read_bytes())
            worst = max(worst, ping(node, peer, number))
    assert worst < PING_SECONDS
    assert node.processes() == node.pids
    promise(messages=len(TORTURE), slowest_ping_ms=round(worst * 1000, 1))


@pytest.mark.promise("R1")
def test_no_invalid_torture_message_makes_a_call(node: Node, peer: Peer, promise: Report) -> None:
    node.worker.spare("t1", "t2", "t3")
    for sample in INVALID:
        peer.send_octets(sample.read_bytes(), node.port)
    takes_a_call(node, peer, "after-the-invalid")
    promise(messages=len(INVALID))


def mutate(octets: bytes, dice: random.Random) -> bytes:
    """Return a message with one to four things wrong."""
    text = bytearray(octets)
    for _ in range(dice.randint(1, 4)):
        where = dice.randrange(len(text))
        what = dice.randrange(5)
        if what == 0:
            text[where] = dice.randrange(256)
        elif what == 1:
            del text[where : where + dice.randint(1, 20)]
        elif what == 2:
            text[where:where] = dice.randbytes(dice.randint(1, 20))
        elif what == 3:
            text[where:where] = dice.choice((b"\r\n", b"\r\n ", b"\0", b";", b"<", b'"', b"%", b"9" * 40))
        else:
            lines = text.split(b"\r\n")
            dice.shuffle(lines)
            text = bytearray(b"\r\n".join(lines))
    return bytes(text)


@pytest.mark.promise("R2")
@pytest.mark.parametrize("part", ["message", "sdp"])
def test_mutated_messages_leave_the_edge_answering(
    node: Node, peer: Peer, part: str, promise: Report
) -> None:
    dice = random.Random(7)
    count = scale(300, 10_000)
    thrower = Peer()
    try:
        for number in range(count):
            if part == "message":
                whole = thrower.make("INVITE", f"mutant-{number}", body=OFFER).octets()
                thrower.send_octets(mutate(whole, dice), node.port)
            else:
                body = mutate(OFFER, dice)
                thrower.send(thrower.make("INVITE", f"sdp-{number}", body=body), node.port)
            if number % 10 == 0:
                ping(node, peer, number)
    finally:
        thrower.close()
    ping(node, peer, count)
    assert node.processes() == node.pids
    promise(messages=count, pings=count // 10 + 1, missed=0)


@pytest.mark.promise("R3")
def test_a_flood_from_a_stranger_is_not_heard_and_a_trunk_is(
    limited: Node, peer: Peer, promise: Report
) -> None:
    count = scale(1_000, 10_000)
    flood = peer.make("INVITE", "flood", body=OFFER).octets()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind((OTHER, 0))
        for number in range(count):
            stranger.sendto(flood, ("127.0.0.1", limited.port))
            if number % 100 == 99:
                ping(limited, peer, number)
    counted = dict(
        line.split(" = ") for line in asyncio.run(limited.rpc.ask("stats.get_statistics", "script:"))
    )
    assert int(counted["script:stranger"]) <= 200  # what was answered before it was no longer heard
    assert int(counted["script:flood"]) >= count // 2
    takes_a_call(limited, peer, "through-the-flood")
    promise(messages=count, not_heard=int(counted["script:flood"]))
