"""Messages by the routes, through a whole node: who takes them, who takes over, and who is refused."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest

from carriers.simulated.journal import read
from telephony.kernel.e164 import E164
from telephony.kernel.ids import from_text
from telephony.routing.decide import Question, decide
from telephony.routing.formats import USUAL
from telephony.routing.rules import Kind, Route, RouteSet
from telephony.routing.table import compile_table
from tests.support.explained import assert_explained
from tests.support.load import post
from tests.support.node import Node
from tests.support.several import PROFILES, put_routes, several

pytestmark = pytest.mark.wire

PEER = "+12065550100"
GERMANY = "+4915112345678"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """One node with all carriers."""
    with several(tmp_path_factory.mktemp("var"), *PROFILES, settings=("sms.attempts=1",)) as running:
        yield running


async def send(house: Node, *to: str, text: str = "Hello") -> Any:
    """Send a text; return the answer's body."""
    body = {"from": house.number, "smsRecipients": [{"to": one} for one in to], "message": text}
    async with aiohttp.ClientSession() as session:
        return (await post(session, house, body)).body


async def sent(house: Node, to: str, text: str) -> str:
    """Send a text to one, and return the message's id; explain says where it goes."""
    (item,) = (await send(house, to, text=text))["value"]
    assert item["successful"], item
    assert assert_explained(house, [item["messageId"]]) == 1
    return str(item["messageId"])


def rerouted(view: dict[str, Any]) -> list[dict[str, Any]]:
    return [one["data"] for one in view["timeline"] if one["kind"] == "message.rerouted"]


def submits(house: Node, head: str) -> Counter[str]:
    """Return how often each account took a text that begins so."""
    return Counter(
        entry.system_id
        for entry in read(house.journal)
        if entry.kind == "submit" and bytes.fromhex(entry.head).startswith(head.encode())
    )


async def test_a_second_carrier_takes_over_when_the_first_refuses(house: Node) -> None:
    put_routes(house, {"target": "broken"}, {"target": "backup", "priority": 1})
    identifier = await sent(house, PEER, "refused there")
    view = house.wait_for_state(identifier, "delivered")
    assert view["message"]["carrier"] == "backup"
    (moved,) = rerouted(view)
    assert (moved["from"], moved["to"], moved["route"], moved["attempt"]) == ("broken", "backup", "r1", 2)
    assert "ESME_RSYSERR" in moved["reason"]
    assert submits(house, "refused there") == {"backup": 1}


async def test_a_second_carrier_takes_over_when_the_first_never_answers(house: Node) -> None:
    put_routes(house, {"target": "silent"}, {"target": "backup", "priority": 1})
    identifier = await sent(house, PEER, "no answer there")
    view = house.wait_for_state(identifier, "delivered")
    (moved,) = rerouted(view)
    assert moved["possible_duplicate"] is True
    assert "part.sent-again" in [one["kind"] for one in view["timeline"]]
    assert submits(house, "no answer there")["backup"] == 1


async def test_a_carrier_that_is_not_bound_stands_behind_those_that_are(house: Node) -> None:
    put_routes(house, {"target": "closed"}, {"target": "backup", "priority": 1})
    identifier = await sent(house, PEER, "closed there")
    view = house.wait_for_state(identifier, "delivered")
    assert view["timeline"][0]["data"]["then"] == ["closed"]
    assert view["message"]["carrier"] == "backup"
    assert rerouted(view) == []


async def test_recipients_of_one_request_leave_by_destination_and_sender(house: Node) -> None:
    put_routes(
        house,
        {"target": "backup", "prefixes": ["+49"]},
        {"target": "simulated", "prefixes": ["+1206"], "senders": [house.number]},
        {"target": "backup", "prefixes": ["+1206"], "senders": ["+4930"]},
    )
    answer = await send(house, PEER, GERMANY, "+33612345678", text="by destination")
    first, second, third = answer["value"]
    assert (first["httpStatusCode"], second["httpStatusCode"], third["httpStatusCode"]) == (202, 202, 403)
    version = house.admin("/admin/routes")["version"]
    assert third["errorMessage"] == (
        f"No route takes this number now. Version {version} of the routes is in force."
    )
    assert assert_explained(house, [first["messageId"], second["messageId"]]) == 2
    taken = {
        one["to"]: house.wait_for_state(one["messageId"], "delivered")["message"]["carrier"]
        for one in (first, second)
    }
    assert taken == {PEER: "simulated", GERMANY: "backup"}


async def test_what_no_route_takes_is_refused_by_name(house: Node) -> None:
    put_routes(house, {"target": "@number", "prefixes": ["+1"]})
    before = len(house.messages())
    answer = await send(house, GERMANY, text="nowhere")
    assert answer["error"]["code"] == "NoRoute"
    assert "No route takes this number now" in answer["error"]["message"]
    assert len(house.messages()) == before


async def test_weights_are_drawn_by_the_messages_ids(house: Node) -> None:
    routes: list[dict[str, Any]] = [{"target": "simulated", "weight": 3}, {"target": "backup"}]
    put_routes(house, *routes)
    rules = RouteSet(
        routes=tuple(Route(id=f"r{place}", kind=Kind.SMS, **one) for place, one in enumerate(routes))
    )
    table = compile_table(rules, {"simulated": USUAL, "backup": USUAL})
    identifiers: list[str] = []
    for part in range(4):
        numbers = [f"+1206555{part}{place:03}" for place in range(100)]
        identifiers += [one["messageId"] for one in (await send(house, *numbers, text="by weight"))["value"]]
    carriers = {one["messageId"]: (one["carrier"], one["to"]) for one in house.messages()}
    counts: Counter[str] = Counter()
    for identifier in identifiers:
        carrier, to = carriers[identifier]
        seed = from_text(identifier[-36:])
        assert seed is not None
        assert decide(table, Question(Kind.SMS, E164(to), house.number, 0, seed)).hops[0].target == carrier
        counts[carrier] += 1
    assert 260 <= counts["simulated"] <= 340
    assert counts["simulated"] + counts["backup"] == 400
