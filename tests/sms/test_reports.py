"""ACS DeliveryReports over HTTP: what became of a message."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from sms import reports
from sms.message import from_wire_id, wire_id
from sms.optouts.store import REFUSED, AddOptOuts
from sms.reports import VERSIONS
from sms.send import Result
from sms.smpp.constants import CommandStatus
from sms.store.inbound import InboundSms, RecordInbound
from sms.store.report import Fate, FindFate
from sms.store.sweep import SweepDue
from telephony.kernel.clock import DAY, SECOND, to_iso
from telephony.kernel.ids import InteractionId, new_id, to_text
from telephony.kernel.store import Store
from tests.support.clock import START
from tests.support.http import Answer, House, house
from tests.support.routes import Ids, assert_foreign_ids_look_absent
from tests.support.sms import NUMBER, PEER, FakeLink, Plane, plane, receipt, settled

pytestmark = pytest.mark.wire


async def _fate(on: Plane, result: Result) -> Fate:
    assert result.message_id is not None
    identifier = from_wire_id(result.message_id)
    assert identifier is not None
    found = await on.store.read(FindFate(on.resource, identifier))
    assert found is not None
    return found


async def _submitted(on: Plane, text: str, *answers: str) -> Result:
    """Send a text whose parts the carrier takes under these ids, a second after it was accepted."""
    link = FakeLink()
    dispatcher = await on.dispatching(link)
    (result,) = await on.send(text, dispatcher=dispatcher, tag="t")
    await link.until_sent(len(answers))
    on.clock.advance(1)
    for answer in answers:
        link.answer(remote_id=answer)
    await settled(lambda: dispatcher.backlog == 0)
    await dispatcher.stop()
    return result


async def _receive(on: Plane, *states: str) -> None:
    inlet, link = on.inlet(), FakeLink()
    for number, state in enumerate(states):
        inlet.delivered(link, receipt(str(number), state, "000" if state == "DELIVRD" else "003"), number)
    await inlet.flush()


def _attempts(fate: Fate) -> list[tuple[str, int, int]]:
    return [(one.timestamp, one.segments_succeeded, one.segments_failed) for one in fate.attempts]


SENT = to_iso(START + SECOND)


async def test_a_message_that_waits_is_pending(store: Store) -> None:
    on = await plane(store)
    (result,) = await on.send("Hello", tag="t")
    fate = await _fate(on, result)
    assert fate == Fate(NUMBER, PEER, "Pending", "It waits to be sent.", (), None, "t")


async def test_a_message_that_the_carrier_has_is_pending_and_was_tried(store: Store) -> None:
    on = await plane(store)
    fate = await _fate(on, await _submitted(on, "Hello", "0"))
    assert (fate.status, fate.details) == ("Pending", "The carrier has it; no receipt came yet.")
    assert (_attempts(fate), fate.ended) == ([(SENT, 0, 0)], None)


async def test_a_delivered_message(store: Store) -> None:
    on = await plane(store)
    result = await _submitted(on, "x" * 161, "0", "1")
    on.clock.advance(5)
    await _receive(on, "DELIVRD", "DELIVRD")
    fate = await _fate(on, result)
    assert (fate.status, fate.details) == ("Delivered", "No error.")
    assert (_attempts(fate), fate.ended) == ([(SENT, 2, 0)], START + 6 * SECOND)


async def test_a_message_of_which_a_part_was_lost(store: Store) -> None:
    on = await plane(store)
    result = await _submitted(on, "x" * 161, "0", "1")
    await _receive(on, "DELIVRD", "UNDELIV")
    fate = await _fate(on, result)
    assert (fate.status, _attempts(fate)) == ("Failed", [(SENT, 1, 1)])
    assert "UNDELIV" in fate.details


async def test_a_message_that_the_carrier_refused(store: Store) -> None:
    on = await plane(store)
    link = FakeLink()
    dispatcher = await on.dispatching(link)
    (result,) = await on.send("Hello", dispatcher=dispatcher)
    await link.until_sent(1)
    link.answer(int(CommandStatus.ESME_RINVDSTADR))
    await settled(lambda: dispatcher.backlog == 0)
    await dispatcher.stop()
    fate = await _fate(on, result)
    assert (fate.status, _attempts(fate)) == ("Failed", [(to_iso(START), 0, 1)])
    assert fate.details.startswith("refused by the carrier")


async def test_a_message_that_expired_before_it_was_sent_was_never_tried(store: Store) -> None:
    on = await plane(store)
    (result,) = await on.send("Hello")
    on.clock.at += 2 * DAY
    await on.store.write(SweepDue(on.finisher(), on.clock.now()))
    fate = await _fate(on, result)
    assert (fate.status, fate.details, fate.attempts) == ("Failed", "validity ran out before submission", ())


async def test_a_message_without_any_receipt_is_unknown(store: Store) -> None:
    on = await plane(store)
    result = await _submitted(on, "Hello", "0")
    on.clock.at += 3 * DAY
    await on.store.write(SweepDue(on.finisher(), on.clock.now()))
    fate = await _fate(on, result)
    assert (fate.status, fate.details) == ("Unknown", "no delivery receipt came in time")
    assert _attempts(fate) == [(SENT, 0, 0)]


async def test_a_message_that_was_refused_because_of_an_opt_out(store: Store) -> None:
    on = await plane(store)
    await on.store.write(AddOptOuts(on.finisher(), on.resource, NUMBER, [PEER], on.clock.now()))
    (result,) = await on.send("Hello")
    fate = await _fate(on, result)
    assert (fate.status, fate.details, fate.attempts, fate.ended) == ("Failed", REFUSED, (), START)


# Over HTTP


@dataclass
class Running:
    """The application with the route of reports; messages lie in a store of their own."""

    house: House
    plane: Plane

    async def get(self, identifier: str, version: str = VERSIONS[-1]) -> Answer:
        return await self.house.signed(
            "GET", f"/deliveryReports/{quote(identifier, safe='')}?api-version={version}"
        )

    async def message_of(self, resource: bytes) -> str:
        """Return the id of a new message of a resource's."""
        before, self.plane.resource = self.plane.resource, resource  # type: ignore[assignment]
        (outbound,) = await self.plane.accept()
        self.plane.resource = before
        return wire_id(outbound.id, "outbound")


@pytest.fixture
async def running(sqlite_store: Store, tmp_path: Path) -> AsyncIterator[Running]:
    on = await plane(sqlite_store)
    (tmp_path / "house").mkdir()
    async with house(reports.routes(sqlite_store), tmp_path / "house") as made:
        yield Running(made, on)


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_report_is_answered_as_azure_does(running: Running, version: str) -> None:
    on = running.plane
    on.resource = running.house.one.id
    (message,) = await on.accept()
    identifier = wire_id(message.id, "outbound")
    answer = await running.get(identifier, version)
    assert answer.status == 200
    assert answer.headers["api-supported-versions"] == ", ".join(VERSIONS)
    assert answer.json == {
        "deliveryStatus": "Pending",
        "deliveryStatusDetails": "It waits to be sent.",
        "deliveryAttempts": [],
        "messageId": identifier,
        "from": NUMBER,
        "to": PEER,
    }
    assert (await running.get(to_text(message.id), version)).json == answer.json


async def test_a_report_that_is_final_says_when(running: Running) -> None:
    on = running.plane
    on.resource = running.house.one.id
    (message,) = await on.accept()
    on.clock.at += 2 * DAY
    await on.store.write(SweepDue(on.finisher(), on.clock.now()))
    answer = await running.get(wire_id(message.id, "outbound"))
    assert answer.json["receivedTimestamp"] == to_iso(on.clock.now())
    assert answer.json["deliveryStatus"] == "Failed"


def _problem(answer: Answer) -> dict[str, Any]:
    assert answer.status == 404
    assert answer.headers["content-type"] == "application/problem+json; charset=utf-8"
    found: dict[str, Any] = answer.json
    trace = found.pop("traceId")
    assert trace.startswith("00-" + answer.headers["x-ms-request-id"].replace("-", "") + "-")
    assert len(trace) == 55
    return found


NOT_FOUND = {
    "type": "https://tools.ietf.org/html/rfc9110#section-15.5.5",
    "title": "Not Found",
    "status": 404,
}


NO_IDS = ("nonsense", "Outgoing_", "Outgoing_20260101000000", "é", "\u2028", "..", "a" * 500, "'; --", "%00x")


async def test_what_is_no_id_is_not_found(running: Running) -> None:
    for identifier in NO_IDS:
        assert _problem(await running.get(identifier)) == NOT_FOUND, identifier


async def test_an_inbound_message_has_no_report(running: Running) -> None:
    on = running.plane
    sms = InboundSms("carrier", "one", on.clock.now(), NUMBER, PEER, "Hi", b"Hi", "gsm")
    _, (identifier,) = await on.store.write(RecordInbound(on.finisher(), on.clock.now() + DAY, [sms]))
    assert identifier is not None
    assert await on.store.read(FindFate(on.resource, identifier)) is None


async def test_another_resources_message_looks_like_none(running: Running) -> None:
    foreign = await running.message_of(running.house.other.id)
    absent = wire_id(InteractionId(new_id(running.plane.clock.now())), "outbound")
    assert _problem(await running.get(foreign)) == _problem(await running.get(absent)) == NOT_FOUND

    async def ask(method: str, target: str, body: bytes, headers: Any) -> Answer:
        return await running.house.signed(method, target, body, headers=headers)

    ids = Ids({"outgoingMessageId": foreign}, {"outgoingMessageId": absent})
    routes = reports.routes(running.plane.store)
    assert await assert_foreign_ids_look_absent(routes, {"sms.delivery_reports.get": ids}, ask) == 1


async def test_other_errors_are_as_everywhere(running: Running) -> None:
    unsigned = await running.house.ask("GET", f"/deliveryReports/x?api-version={VERSIONS[-1]}")
    assert (unsigned.status, unsigned.json["error"]["code"]) == (401, "Denied")
    old = await running.get("x", "2021-03-07")
    assert (old.status, old.json["error"]["code"]) == (400, "UnsupportedApiVersionValue")
    posted = await running.house.signed("POST", f"/deliveryReports/x?api-version={VERSIONS[-1]}")
    assert posted.status == 405
