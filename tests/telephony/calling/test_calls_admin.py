"""Calls over /admin: lists, one with its ladder, placing, hanging up; what is forgotten of a person."""

from typing import Any

import msgspec
import pytest

from telephony.calling.admin import PlaceCall, routes
from telephony.calling.erase import ERASERS, kept
from telephony.calling.ports import Answered
from telephony.kernel.e164 import E164
from telephony.kernel.errors import InvalidRequest, LimitForbids, NotFound
from telephony.kernel.http.route import Reply, Request, Route
from telephony.kernel.ids import ResourceId, to_text
from telephony.kernel.store import Store
from telephony.resources.privacy import ERASED, Subject
from tests.support.calls import KINDS, OTHER, OWN, PEER, House, ended, house, other_resource

pytestmark = pytest.mark.wire

NOBODY = ResourceId(bytes(16))


class Administrator:
    """Calls the operations as the HTTP application does."""

    def __init__(self, on: House, *others: ResourceId) -> None:
        self._on = on
        known = {on.resource, *others}
        made = routes(on.service, KINDS, on.store, on.on.clock, known.__contains__)
        self._routes: dict[str, Route] = {route.operation: route for route in made}

    async def ask(
        self,
        operation: str,
        call: str = "",
        body: dict[str, Any] | None = None,
        resource: ResourceId | None = None,
        **query: str,
    ) -> Any:
        """Return an operation's answer as JSON."""
        path = {"resource": to_text(resource or self._on.resource), "callId": call}
        route = self._routes[f"admin.calls.{operation}"]
        decoded = None if route.body is None else msgspec.convert(body, route.body)
        reply: Reply = await route.handler(Request(NOBODY, decoded, path, query))
        assert reply.status == route.reply_status
        await self._on.quiet()
        return msgspec.json.decode(msgspec.json.encode(reply.body))


async def test_a_call_is_placed_listed_shown_and_hung_up(store: Store) -> None:
    on = await house(store)
    ask = Administrator(on).ask
    placed = await ask("place", body={"from": OWN, "to": OTHER})
    call = placed["callId"]
    assert (placed["from"], placed["to"], placed["live"]) == (OWN, OTHER, True)
    out = on.legs.dialled[0].leg
    await on.tell(Answered(out, "PCMA"))
    assert on.legs.of("echo", out)
    on.on.clock.advance(65)
    (live,) = (await ask("list", live="true"))["value"]
    assert (live["callId"], live["state"], live["durationMs"]) == (call, "talking", 65_000)
    assert (await ask("list", live="false"))["value"] == []
    await ask("hangUp", call)
    view = await ask("get", call)
    assert view["call"]["state"] == "completed"
    assert view["call"]["cause"] == {"sip": 200, "q850": 16, "text": "It was hung up by request."}
    (leg,) = view["legs"]
    assert (leg["side"], leg["trunk"], leg["codec"]) == ("out", "alpha/a1", "PCMU")
    assert (leg["mos"], leg["lost"], leg["jitterMs"], leg["roundTripMs"]) == (4.2, 1, 2.5, 40.0)
    assert [entry["kind"] for entry in view["timeline"]][:3] == ["call.placed", "leg.dialled", "leg.answered"]


async def test_lists_are_paged_and_filtered(store: Store) -> None:
    on = await house(store)
    ask = Administrator(on).ask
    for number in range(3):
        await on.offer(f"in-{number}", caller=f"+1425555012{number}")
        await on.tell(ended(f"in-{number}"))
        on.on.clock.advance(1)
    first = await ask("list", top="2")
    assert [one["from"] for one in first["value"]] == ["+14255550122", "+14255550121"]
    assert "before=" in first["nextLink"]
    rest = await ask("list", top="2", before=first["value"][-1]["callId"])
    assert [one["from"] for one in rest["value"]] == ["+14255550120"]
    assert "nextLink" not in rest
    assert len((await ask("list", peer="+14255550121"))["value"]) == 1
    assert (await ask("list", direction="outbound"))["value"] == []
    assert (await ask("list", state="busy"))["value"] == []
    for query in ({"state": "x"}, {"direction": "x"}, {"live": "x"}, {"before": "x"}):
        with pytest.raises(InvalidRequest):
            await ask("list", **query)


async def test_another_resources_calls_are_not_there(store: Store) -> None:
    on = await house(store)
    other = other_resource()
    ask = Administrator(on, other).ask
    call = (await ask("place", body={"from": OWN, "to": OTHER}))["callId"]
    assert (await ask("list", resource=other))["value"] == []
    for operation in ("get", "hangUp"):
        for identifier, resource in ((call, other), (to_text(other), on.resource), ("x", on.resource)):
            with pytest.raises(NotFound):
                await ask(operation, identifier, resource=resource)
    with pytest.raises(NotFound):
        await ask("list", resource=other_resource())


async def test_targets_of_a_call_are_checked_as_those_of_rules(store: Store) -> None:
    on = await house(store)
    ask = Administrator(on).ask
    for then in ({"kind": "nothing"}, {"kind": "play"}, {"kind": "play", "what": "http://example.com/a"}):
        with pytest.raises(InvalidRequest):
            await ask("place", body={"from": OWN, "to": OTHER, "then": then})
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"from": OWN, "to": OTHER, "more": 1}, PlaceCall)
    await on.on.limit(calls=0)
    with pytest.raises(LimitForbids):
        await ask("place", body={"from": OWN, "to": OTHER})


async def test_a_person_is_forgotten_and_the_record_stays(store: Store) -> None:
    on = await house(store)
    on.rules({"target": {"kind": "number", "number": OTHER}})
    await on.offer(display="Ann")
    out = on.legs.dialled[0].leg
    await on.tell(Answered(out, "PCMU"))
    for number in (PEER, OTHER):
        subject = Subject(on.resource, E164(number))
        (eraser,) = ERASERS
        assert (await on.store.read(eraser.find(subject, None))).keys == ()
        assert (await on.store.read(kept(subject)))["callsNotOver"] == (number == PEER)
    await on.tell(ended(out))
    for number in (PEER, OTHER):
        subject = Subject(on.resource, E164(number))
        found = await on.store.read(eraser.find(subject, None))
        assert await on.store.write(eraser.erase(subject, found.keys, on.on.clock.now())) == 1
        assert (await on.store.read(eraser.find(subject, None))).keys == ()
    row, detail = await on.record(), await on.detail()
    assert (row.peer, detail.display) == (ERASED, "")
    assert [leg.number for leg in detail.legs] == [ERASED, ERASED]
    view = await Administrator(on).ask("get", to_text(row.id))
    for number in (PEER, OTHER):
        assert number[1:] not in msgspec.json.encode(view).decode()
    assert view["call"]["state"] == "completed"
