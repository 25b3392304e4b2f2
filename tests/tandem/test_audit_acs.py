"""Every operation of ACS that is marked as recorded leaves exactly one record of the change that it makes."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pytest

from telephony.kernel.http.route import Auth
from telephony.kernel.ids import to_text
from tests.support.http import Answer
from tests.support.inside import Inside, inside

pytestmark = pytest.mark.wire

NOT_RECORDED: Final = frozenset(
    {
        # traffic, with a timeline of its own
        "sms.send",
        # kept with their own time; each names a person's number
        "sms.optouts.add",
        "sms.optouts.remove",
        # counted, and logged with the token's id
        "identity.issue_token",
        # always refused
        "identity.exchange.teams_user",
        # holds, which end by themselves
        "numbers.search",
        "numbers.cancel_operation",
        "numbers.change_reservation",
        "numbers.delete_reservation",
        # change nothing
        "sms.optouts.check",
        "numbers.browse",
        "numbers.operator_information",
        "sip.test_routes",
    }
)
"""What is no GET and still leaves no record, and why."""

VERSION: Final = {"identity": "2025-06-30", "numbers": "2025-06-01", "sip": "2023-03-01"}
CUSTOM_ID: Final = "sally@contoso.example"


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Inside]:
    async with inside(tmp_path / "var", log__level="error") as running:
        yield running


async def ask(home: Inside, method: str, path: str, body: Any = None) -> Answer:
    plane = "identity" if path.startswith("/identities") else "sip" if path == "/sip" else "numbers"
    raw = b"" if body is None else json.dumps(body).encode()
    answer = await home.sign_and_ask(method, f"{path}?api-version={VERSION[plane]}", raw)
    assert answer.status < 300, answer.body
    return answer


async def records(home: Inside) -> list[dict[str, Any]]:
    answer = await home.administer("GET", f"/admin/audit?resource={to_text(home.one.id)}")
    found: list[dict[str, Any]] = answer.json["value"]
    return found


async def search(home: Inside) -> str:
    wish = {
        "phoneNumberType": "geographic",
        "assignmentType": "application",
        "capabilities": {"calling": "none", "sms": "inbound+outbound"},
    }
    begun = await ask(home, "POST", "/availablePhoneNumbers/countries/US/:search", wish)
    return begun.headers["search-id"]


async def test_every_change_that_is_to_be_recorded_leaves_exactly_one_record(home: Inside) -> None:
    changing = {
        route.operation: route
        for route in home.gateway.routes
        if route.auth in (Auth.HMAC, Auth.USER) and route.method != "GET"
    }
    marked = {name for name, route in changing.items() if route.recorded}
    undecided = changing.keys() - marked - NOT_RECORDED
    assert not undecided, f"Shall these leave a record? {sorted(undecided)}"
    assert not marked & NOT_RECORDED
    held = await search(home)
    found = await ask(home, "GET", f"/availablePhoneNumbers/searchResults/{held}")
    number = found.json["phoneNumbers"][0]
    one = f"/phoneNumbers/%2B{number[1:]}"
    reservation = f"/availablePhoneNumbers/reservations/{uuid4()}"
    seen = await ask(
        home, "POST", "/availablePhoneNumbers/countries/US/:browse", {"phoneNumberType": "tollFree"}
    )
    pick = seen.json["phoneNumbers"][0]
    await ask(home, "PATCH", reservation, {"phoneNumbers": {pick["id"]: pick}})
    made = await ask(home, "POST", "/identities", {"customId": "one before"})
    user = "/identities/" + made.json["identity"]["id"]
    steps = (
        ("identity.create", "POST", "/identities", {"customId": CUSTOM_ID}),
        ("identity.revoke_tokens", "POST", f"{user}/:revokeAccessTokens", None),
        ("identity.delete", "DELETE", user, None),
        ("numbers.purchase", "POST", "/availablePhoneNumbers/:purchase", {"searchId": held}),
        ("numbers.update_capabilities", "PATCH", f"{one}/capabilities", {"sms": "inbound"}),
        ("numbers.release", "DELETE", one, None),
        ("numbers.purchase_reservation", "POST", f"{reservation}/:purchase", {}),
        ("sip.update", "PATCH", "/sip", {"trunks": {"sbc.example.com": {"sipSignalingPort": 5061}}}),
    )
    assert marked == {operation for operation, *_ in steps}, "a step for each of them"
    before = len([each for each in await records(home) if each["actor"]["kind"] == "resource"])
    assert before == 1  # the user
    for operation, method, path, body in steps:
        answer = await ask(home, method, path, body)
        kept = [each for each in await records(home) if each["actor"]["kind"] == "resource"]
        before += 1
        assert len(kept) == before, operation
        record = kept[0]
        assert (record["operation"], record["status"]) == (operation, 200)
        assert record["target"].replace("+", "%2B") == path
        assert record["requestId"] == answer.headers["x-ms-request-id"]
        assert record["actor"] == {
            "kind": "resource",
            "id": to_text(home.one.id),
            "address": "127.0.0.1",
        }
        assert CUSTOM_ID not in json.dumps(record)


async def test_records_of_numbers_tell_what_was_before_and_after(home: Inside) -> None:
    held = await search(home)
    number = (await ask(home, "GET", f"/availablePhoneNumbers/searchResults/{held}")).json["phoneNumbers"][0]
    await ask(home, "POST", "/availablePhoneNumbers/:purchase", {"searchId": held})
    await ask(home, "PATCH", f"/phoneNumbers/%2B{number[1:]}/capabilities", {"sms": "inbound"})
    changed, bought = await records(home)
    assert bought["after"] == {"numbers": [number]}
    assert changed["before"] == {"calling": "none", "sms": "inbound+outbound"}
    assert changed["after"] == {"calling": "none", "sms": "inbound"}


async def test_what_changes_nothing_leaves_no_record(home: Inside) -> None:
    held = await search(home)
    await ask(home, "POST", "/identities", {"customId": CUSTOM_ID})
    await ask(home, "POST", "/availablePhoneNumbers/:purchase", {"searchId": held})
    assert len(await records(home)) == 2
    await ask(home, "POST", "/identities", {"customId": CUSTOM_ID})  # it is there already
    await ask(home, "POST", "/availablePhoneNumbers/:purchase", {"searchId": held})  # the first answer again
    version = f"api-version={VERSION['numbers']}"
    for method, path in (
        ("DELETE", f"/phoneNumbers/%2B{home.other.number[1:]}"),
        ("POST", f"/availablePhoneNumbers/reservations/{uuid4()}/:purchase"),
    ):
        body = b"{}" if method == "POST" else b""
        refused = await home.sign_and_ask(method, f"{path}?{version}", body)
        assert refused.status == 404
    assert len(await records(home)) == 2


async def test_of_two_releases_at_once_one_leaves_a_record(home: Inside) -> None:
    path = f"/phoneNumbers/%2B{home.one.number[1:]}?api-version={VERSION['numbers']}"
    answers = await asyncio.gather(*(home.sign_and_ask("DELETE", path) for _ in range(2)))
    assert sorted(answer.status for answer in answers) == [202, 404]
    assert [each["operation"] for each in await records(home)] == ["numbers.release"]
