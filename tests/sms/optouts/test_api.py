"""ACS OptOuts over HTTP."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from sms import api as sms_api
from sms.optouts import api
from sms.optouts.api import VERSIONS
from sms.optouts.verbs import OptOutVerbs
from telephony.kernel.clock import SystemClock
from telephony.kernel.e164 import E164, shorten
from telephony.kernel.store import Store
from telephony.numbers.directory import NumberDirectory
from telephony.numbers.store import AcquireNumber, OwnedNumber
from tests.support.http import Answer, House, house
from tests.support.sms import CARRIER, PEER, Plane, plane

pytestmark = pytest.mark.wire

MINE, OTHERS = E164("+14255550177"), E164("+14255550188")
ANOTHER = "+12065550101"
VERBS = ("add", "remove", "check")


@dataclass
class Running:
    """The application with the routes of messages and opt-outs; messages lie in a store of their own."""

    house: House
    plane: Plane

    async def post(self, path: str, body: object, **options: Any) -> Answer:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.house.signed("POST", path, raw, **options)

    async def ask(self, verb: str, *to: str, sender: str = MINE, version: str = VERSIONS[-1]) -> Answer:
        body = {"from": sender, "recipients": [{"to": one} for one in to]}
        return await self.post(f"/sms/optouts:{verb}?api-version={version}", body)

    async def items(self, verb: str, *to: str, **options: Any) -> list[dict[str, Any]]:
        answer = await self.ask(verb, *to, **options)
        assert answer.status == 200, answer
        found: list[dict[str, Any]] = answer.json["value"]
        return found

    async def opted_out(self, *to: str) -> list[bool]:
        return [item["isOptedOut"] for item in await self.items("check", *to)]


@pytest.fixture
async def running(sqlite_store: Store, tmp_path: Path) -> AsyncIterator[Running]:
    clock = SystemClock()
    on = await plane(sqlite_store, clock=clock)
    verbs = OptOutVerbs(
        store=sqlite_store,
        clock=clock,
        numbers=NumberDirectory(sqlite_store, clock),
        finisher=on.finisher,
        ended=on.ended,
    )
    (tmp_path / "house").mkdir()
    routes = [*sms_api.routes(on.sender(), clock), *api.routes(verbs)]
    async with house(routes, tmp_path / "house") as made:
        on.resource = made.one.id
        await sqlite_store.write(AcquireNumber(OwnedNumber(made.one.id, MINE, CARRIER), 1))
        await sqlite_store.write(AcquireNumber(OwnedNumber(made.other.id, OTHERS, CARRIER), 1))
        yield Running(made, on)


def _error(answer: Answer) -> tuple[int, str, str | None]:
    error = answer.json["error"]
    assert error["message"]
    return answer.status, error["code"], error.get("target")


@pytest.mark.parametrize("version", VERSIONS)
async def test_added_checked_and_removed_in_every_version(running: Running, version: str) -> None:
    assert await running.items("check", PEER, version=version) == [
        {"to": PEER, "httpStatusCode": 200, "isOptedOut": False}
    ]
    assert await running.items("add", PEER, version=version) == [{"to": PEER, "httpStatusCode": 200}]
    assert await running.items("check", PEER, ANOTHER, version=version) == [
        {"to": PEER, "httpStatusCode": 200, "isOptedOut": True},
        {"to": ANOTHER, "httpStatusCode": 200, "isOptedOut": False},
    ]
    assert await running.items("remove", PEER, version=version) == [{"to": PEER, "httpStatusCode": 200}]
    assert await running.opted_out(PEER) == [False]


@pytest.mark.parametrize("verb", VERBS)
async def test_a_version_that_has_no_opt_outs_is_refused(running: Running, verb: str) -> None:
    answer = await running.ask(verb, PEER, version="2021-03-07")
    assert _error(answer) == (400, "UnsupportedApiVersionValue", "api-version")


async def test_each_change_leaves_a_line_that_does_not_name_the_person(running: Running) -> None:
    with capture_logs() as logs:
        await running.items("add", PEER, ANOTHER)
        await running.items("remove", PEER)
        await running.items("check", PEER)
    lines = [(line["event"], line["number"], line["recipient"]) for line in logs if "recipient" in line]
    own = shorten(MINE)
    assert lines == [
        ("optouts.added", own, shorten(PEER)),
        ("optouts.added", own, shorten(ANOTHER)),
        ("optouts.removed", own, shorten(PEER)),
    ]
    assert PEER not in str(logs)


async def test_twice_changes_nothing(running: Running) -> None:
    for verb, after in (("add", True), ("add", True), ("remove", False), ("remove", False)):
        assert (await running.items(verb, PEER))[0]["httpStatusCode"] == 200
        assert await running.opted_out(PEER) == [after]


@pytest.mark.parametrize("verb", VERBS)
async def test_a_malformed_recipient_fails_alone(running: Running, verb: str) -> None:
    items = await running.items(verb, PEER, "+123", "\u2028", "é" * 500, PEER)
    assert [item["to"] for item in items] == [PEER, "+123", "\u2028", "é" * 500, PEER]
    assert [item["httpStatusCode"] for item in items] == [200, 400, 400, 400, 200]
    assert items[1] == {
        "to": "+123",
        "httpStatusCode": 400,
        "errorMessage": "Invalid recipient phone number format",
    }


@pytest.mark.parametrize("verb", VERBS)
async def test_all_of_them_may_be_malformed(running: Running, verb: str) -> None:
    assert [item["httpStatusCode"] for item in await running.items(verb, "nobody", "+1")] == [400, 400]


async def test_a_hundred_recipients_and_no_more(running: Running) -> None:
    peers = [f"+1206555{number:04d}" for number in range(100)]
    assert len(await running.items("add", *peers)) == 100
    assert await running.opted_out(*peers) == [True] * 100
    assert _error(await running.ask("add", *peers, PEER)) == (400, "BadRequest", "recipients")
    assert _error(await running.ask("add")) == (400, "BadRequest", "recipients")


@pytest.mark.parametrize("verb", VERBS)
async def test_a_number_that_is_not_the_callers_looks_like_one_that_nobody_has(
    running: Running, verb: str
) -> None:
    for sender in (OTHERS, "+14255550166", "Contoso", "\u2028", "x" * 5000):
        assert _error(await running.ask(verb, PEER, sender=sender)) == (401, "Denied", "from")


async def test_another_resource_knows_nothing_of_it(running: Running) -> None:
    await running.items("add", PEER)
    body = json.dumps({"from": OTHERS, "recipients": [{"to": PEER}]}).encode()
    answer = await running.house.signed(
        "POST",
        f"/sms/optouts:check?api-version={VERSIONS[-1]}",
        body,
        key=running.house.other.keys.primary,
        authority=running.house.others_authority,
    )
    assert answer.json == {"value": [{"to": PEER, "httpStatusCode": 200, "isOptedOut": False}]}


MALFORMED = {
    b"": None,
    b"{": None,
    b"[]": None,
    b"{}": "from",
    b'{"from": "", "recipients": [{"to": "+12065550100"}]}': "from",
    b'{"from": 7, "recipients": [{"to": "+12065550100"}]}': "from",
    b'{"from": "+14255550177"}': "recipients",
    b'{"from": "+14255550177", "recipients": null}': "recipients",
    b'{"from": "+14255550177", "recipients": [{}]}': "recipients[0].to",
    b'{"from": "+14255550177", "recipients": [{"to": ""}]}': "recipients[0].to",
    b'{"from": "+14255550177", "recipients": ["+12065550100"]}': "recipients[0]",
}


@pytest.mark.parametrize("verb", VERBS)
async def test_a_malformed_body_is_refused_at_its_place(running: Running, verb: str) -> None:
    for body, target in MALFORMED.items():
        answer = await running.post(f"/sms/optouts:{verb}?api-version={VERSIONS[-1]}", body)
        status, code, found = _error(answer)
        assert (status, code) == (400, "BadRequest"), body
        assert target is None or found == target, body


@pytest.mark.parametrize("verb", VERBS)
async def test_an_unsigned_request_is_refused(running: Running, verb: str) -> None:
    answer = await running.house.ask("POST", f"/sms/optouts:{verb}?api-version={VERSIONS[-1]}", b"{}")
    assert answer.status == 401


async def test_a_send_is_refused_for_whoever_was_added(running: Running) -> None:
    await running.items("add", PEER)
    answer = await running.post(
        "/sms?api-version=2021-03-07",
        {"from": MINE, "smsRecipients": [{"to": PEER}, {"to": ANOTHER}], "message": "Hello"},
    )
    assert answer.status == 202
    refused, sent = answer.json["value"]
    assert refused.pop("messageId").startswith("Outgoing_")
    assert refused == {
        "to": PEER,
        "httpStatusCode": 400,
        "successful": False,
        "errorMessage": "4007: The recipient has opted out of messages from this sender.",
    }
    assert sent["httpStatusCode"] == 202
