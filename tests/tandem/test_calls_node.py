"""Whole nodes, with Kamailio and without: calls in and out through real processes, measured by tone."""

import http.client
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tandem.welcome_calls import Carrier
from tests.support.edge import free_ports
from tests.support.node import Node

pytestmark = pytest.mark.peer

PORTS = 400
"""For SIP, workers, telephones, and audio: a closed pair rests for 30 s (R13)."""


class Telephones:
    """A node, the resource on it, and the simulated carrier's telephones."""

    def __init__(self, node: Node, sockets: Path) -> None:
        self.node = node
        self.carrier = Carrier(sockets / "carrier")
        (resource,) = node.admin("/admin/resources")["value"]
        self.calls = f"/admin/resources/{resource['id']}/calls"

    def call_in(self, **said: Any) -> dict[str, Any]:
        told: dict[str, Any] = self.carrier.ask("POST", "/calls", {"to": self.node.number} | said)
        return told

    def newest(self, direction: str) -> dict[str, Any]:
        found = self.node.admin(f"{self.calls}?direction={direction}&top=1")["value"]
        return self.call(found[0]["callId"])

    def call(self, identifier: str) -> dict[str, Any]:
        found: dict[str, Any] = self.node.admin(f"{self.calls}/{identifier}")
        return found

    def place(self, to: str) -> str:
        body = {"from": self.node.number, "to": to, "then": {"kind": "echo"}}
        return str(self.node.admin(self.calls, "POST", body)["callId"])

    def until(self, identifier: str, right: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        for _ in range(400):
            view = self.call(identifier)
            if right(view["call"]):
                return view
            wait(0.02)
        raise AssertionError(view)


def wait(seconds: float) -> None:
    """Let a moment pass between two looks."""
    one, other = socket.socketpair()
    one.settimeout(seconds)
    try:
        one.recv(1)
    except TimeoutError:
        pass
    finally:
        one.close()
        other.close()


@pytest.fixture(scope="module", params=["kamailio", "none"])
def phones(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Telephones]:
    folder = tmp_path_factory.mktemp("calls")
    port = free_ports(PORTS)
    node = Node(
        folder / "var",
        f"sip.edge={request.param}",
        f"sip.port={port}",
        f"sip.first_worker_port={port + 2}",
        "sip.calls=8",
        f"simulated.sip_port={port + 10}",
        f"simulated.sip_node=127.0.0.1:{port}",
        f"media.first_port={port + 12 + port % 2}",
        f"media.last_port={port + PORTS - 1}",
        f"media.sockets={folder}",
    )
    node.command = [part.replace("sip.enabled=false", "sip.enabled=true") for part in node.command]
    node.start()
    try:
        node.wait_for_output("heard 425 Hz")  # the first start's own calls
        yield Telephones(node, folder)
    finally:
        node.stop()


def test_the_first_start_shows_a_call_in_and_one_out_heard_both_ways(phones: Telephones) -> None:
    assert "heard 1000 Hz" in phones.node.output
    for direction in ("inbound", "outbound"):
        view = phones.newest(direction)
        assert view["call"]["state"] == "completed"
        assert [leg["codec"] for leg in view["legs"]] == ["PCMU"]
        assert {"leg.answered", "leg.ended", "call.ended"} <= {entry["kind"] for entry in view["timeline"]}


def test_a_caller_hears_itself_and_its_digits_are_taken(phones: Telephones) -> None:
    told = phones.call_in(hertz=700, seconds=1.0, digits="1")
    assert (told["state"], told["status"]) == ("up", 200)
    assert abs(told["heardHertz"] - 700) <= 25
    kinds = [entry["kind"] for entry in phones.newest("inbound")["timeline"]]
    assert kinds.count("leg.digit") == 1


@pytest.mark.parametrize(
    ("number", "status", "state"),
    [
        ("+12065550123", 486, "busy"),
        ("+12065550124", 603, None),
        ("+12065550125", 404, None),
        ("+12065550126", 503, "unreached"),
    ],
)
def test_a_refusal_is_told_with_its_cause(
    phones: Telephones, number: str, status: int, state: str | None
) -> None:
    view = phones.until(phones.place(number), lambda call: not call["live"])
    assert view["call"]["cause"]["sip"] == status
    assert state in (None, view["call"]["state"])
    assert len(view["legs"]) == 1, "an answer of the callee's is final: no other trunk is tried"


def test_a_call_that_rings_is_taken_back(phones: Telephones) -> None:
    identifier = phones.place("+12065550122")
    phones.until(identifier, lambda call: call["state"] == "ringing")
    phones.node.admin(f"{phones.calls}/{identifier}:hangUp", "POST")
    view = phones.until(identifier, lambda call: not call["live"])
    assert view["call"]["cause"]["sip"] == 487


def test_a_carrier_that_hangs_up_ends_the_call(phones: Telephones) -> None:
    view = phones.until(phones.place("+12065550127"), lambda call: not call["live"])
    assert view["call"]["state"] == "completed"
    assert view["call"]["endedBy"] != "us"


def test_digits_that_a_carrier_sends_are_taken(phones: Telephones) -> None:
    identifier = phones.place("+12065550128")
    for _ in range(200):
        pressed = [entry for entry in phones.call(identifier)["timeline"] if entry["kind"] == "leg.digit"]
        if len(pressed) == 4:
            break
        wait(0.02)
    assert len(pressed) == 4
    phones.node.admin(f"{phones.calls}/{identifier}:hangUp", "POST")
    phones.until(identifier, lambda call: not call["live"])


def test_a_number_that_nobody_owns_is_not_found(phones: Telephones) -> None:
    told = phones.call_in(to="+14255559999")
    assert (told["state"], told["status"]) == ("over", 404)


def test_the_control_interface_says_what_is_no_call(phones: Telephones) -> None:
    with pytest.raises((http.client.HTTPException, json.JSONDecodeError, KeyError)):
        phones.carrier.ask("POST", "/calls", {})["callId"]
