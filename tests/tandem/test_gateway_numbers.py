"""Phone numbers on the wire of a whole gateway: headers, shapes, bad input, administration, restarts."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from telephony.kernel.ids import to_text
from tests.support.http import Answer
from tests.support.inside import Inside, Tenant, inside

pytestmark = [pytest.mark.wire, pytest.mark.asyncio(loop_scope="module")]

V = "api-version=2025-06-01"
SEARCH = f"/availablePhoneNumbers/countries/US/:search?{V}"
WISH = {
    "phoneNumberType": "geographic",
    "assignmentType": "application",
    "capabilities": {"calling": "none", "sms": "outbound"},
    "areaCode": "212",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def home(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Inside]:
    async with inside(tmp_path_factory.mktemp("node") / "var", http__rate="1000000") as running:
        yield running


async def ask(
    home: Inside, method: str, target: str, body: Any = None, tenant: Tenant | None = None
) -> Answer:
    raw = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    return await home.sign_and_ask(method, target, raw, tenant=tenant)


async def admin(home: Inside, method: str, path: str, body: Any = None) -> Answer:
    return await home.administer(method, path, b"" if body is None else json.dumps(body).encode())


def problem(answer: Answer) -> tuple[int, str, str | None]:
    error = answer.json["error"]
    assert answer.headers["x-ms-error-code"] == error["code"]
    return answer.status, error["code"], error.get("target")


async def test_long_running_operations_have_the_documented_headers(home: Inside) -> None:
    begun = await ask(home, "POST", SEARCH, {**WISH, "quantity": 2})
    assert (begun.status, begun.body) == (202, b"")
    search = begun.headers["search-id"]
    assert begun.headers["operation-id"] == f"search_{search}"
    assert begun.headers["operation-location"] == f"/phoneNumbers/operations/search_{search}?{V}"
    assert begun.headers["location"] == f"/availablePhoneNumbers/searchResults/{search}?{V}"
    exposed = begun.headers["access-control-expose-headers"].split(",")
    assert {"Location", "Operation-Location", "operation-id", "search-id"} <= set(exposed)
    poll = await ask(home, "GET", begun.headers["operation-location"])
    assert (poll.status, poll.headers["location"]) == (200, begun.headers["location"])
    assert {name: poll.json[name] for name in ("operationType", "status", "id", "resourceLocation")} == {
        "operationType": "search",
        "status": "succeeded",
        "id": f"search_{search}",
        "resourceLocation": begun.headers["location"],
    }
    result = await ask(home, "GET", poll.headers["location"])
    number = result.json["phoneNumbers"][0]
    assert len(result.json["phoneNumbers"]) == 2
    purchase = {"searchId": search}
    bought = await ask(home, "POST", f"/availablePhoneNumbers/:purchase?{V}", purchase)
    again = await ask(home, "POST", f"/availablePhoneNumbers/:purchase?{V}", purchase)
    assert bought.headers["purchase-id"] == again.headers["purchase-id"]
    assert "location" not in bought.headers
    path = f"/phoneNumbers/%2B{number[1:]}"
    changed = await ask(home, "PATCH", f"{path}/capabilities?{V}", {"sms": "inbound"})
    assert changed.json == {"capabilitiesUpdateId": changed.headers["capabilities-id"]}
    assert changed.headers["location"] == f"/phoneNumbers/{number}?{V}"
    got = await ask(home, "GET", changed.headers["location"])  # a plus in a path is a plus
    assert got.json["capabilities"] == {"calling": "none", "sms": "inbound"}
    released = await ask(home, "DELETE", f"{path}?{V}")
    assert released.headers["operation-id"] == f"release_{released.headers['release-id']}"
    over = await ask(home, "GET", released.headers["operation-location"])
    assert (over.json["status"], "resourceLocation" in over.json) == ("succeeded", False)
    assert (await ask(home, "DELETE", released.headers["operation-location"])).status == 204


async def test_a_cancelled_search_has_no_result(home: Inside) -> None:
    begun = await ask(home, "POST", SEARCH, WISH)
    for _ in range(2):
        assert (await ask(home, "DELETE", begun.headers["operation-location"])).status == 204
    assert problem(await ask(home, "GET", begun.headers["location"])) == (404, "NotFound", "searchId")
    poll = await ask(home, "GET", begun.headers["operation-location"])
    assert (poll.json["status"], poll.json["error"]["code"]) == ("failed", "Cancelled")


async def test_operations_and_holds_survive_a_restart(tmp_path: Path) -> None:
    async with inside(tmp_path / "var") as home:
        begun = await ask(home, "POST", SEARCH, WISH)
        failed = await ask(home, "POST", SEARCH, {**WISH, "areaCode": "999"})
    async with inside(tmp_path / "var") as home:
        # The port is another one, the authority that the resource is known by is not.
        one = replace(home.one, authority=next(iter(home.gateway.directory.resources)).authorities[0])
        poll = await ask(home, "GET", begun.headers["operation-location"], tenant=one)
        assert poll.json["status"] == "succeeded"
        lost = await ask(home, "GET", failed.headers["operation-location"], tenant=one)
        assert (lost.json["status"], lost.json["error"]["code"]) == ("failed", "OutOfStock")
        assert "location" not in failed.headers
        assert "location" not in lost.headers
        bought = await ask(
            home,
            "POST",
            f"/availablePhoneNumbers/:purchase?{V}",
            {"searchId": begun.headers["search-id"]},
            one,
        )
        assert bought.status == 202


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"quantity": 0}, (400, "BadRequest", "quantity")),
        ({"quantity": 10**12}, (400, "BadRequest", "quantity")),
        ({"quantity": 1001}, (400, "InvalidInput", "quantity")),
        ({"areaCode": "12a"}, (400, "BadRequest", "areaCode")),
        ({"areaCode": "1" * 99}, (400, "BadRequest", "areaCode")),
        ({"phoneNumberType": "satellite"}, (400, "BadRequest", "phoneNumberType")),
        ({"assignmentType": None}, (400, "BadRequest", "assignmentType")),
        ({"capabilities": {"sms": "both"}}, (400, "BadRequest", "capabilities.calling")),
        ({"capabilities": {"sms": "none", "calling": "none"}}, (400, "InvalidInput", "capabilities")),
    ],
)
async def test_impossible_searches_name_what_is_wrong(
    home: Inside, change: dict[str, Any], expected: tuple[int, str, str]
) -> None:
    answer = await ask(home, "POST", SEARCH, {**WISH, **change})
    status, code, target = problem(answer)
    assert (status, code) == expected[:2]
    assert target in (expected[2], expected[2].partition(".")[0] + ".sms")


async def test_bad_input_is_refused_and_changes_nothing(home: Inside) -> None:
    reservation = f"/availablePhoneNumbers/reservations/{uuid4()}"
    number = f"/phoneNumbers/%2B{home.one.number[1:]}"
    country = "/availablePhoneNumbers/countries"
    good = {"countryCode": "US", "phoneNumberType": "geographic", "assignmentType": "application"}
    pick = {**good, "capabilities": {"calling": "none", "sms": "none"}}
    for method, target, body, code in (
        ("POST", f"{country}/XX/:search", WISH, "InvalidInput"),
        ("POST", f"{country}/%00/:search", WISH, "NotFound"),
        ("GET", f"{country}/USA/localities", None, "InvalidInput"),
        ("GET", f"{country}/US/areaCodes", None, "InvalidInput"),
        ("GET", f"{country}/US/areaCodes?phoneNumberType=dog", None, "InvalidInput"),
        ("GET", f"{country}?skip=-1", None, "BadRequest"),
        ("GET", f"{country}?maxPageSize=0", None, "BadRequest"),
        ("GET", "/phoneNumbers?top=many", None, "BadRequest"),
        ("GET", "/availablePhoneNumbers/reservations?continuation=x", None, "BadRequest"),
        ("GET", "/availablePhoneNumbers/reservations?continuation=Ing", None, "BadRequest"),
        (
            "POST",
            f"{country}/US/:browse",
            {"phoneNumberType": "mobile", "phoneNumberPrefixes": ["%"]},
            "BadRequest",
        ),
        (
            "POST",
            f"{country}/US/:browse",
            {"phoneNumberType": "mobile", "phoneNumberPrefixes": ["+1"] * 21},
            "BadRequest",
        ),
        ("PATCH", "/availablePhoneNumbers/reservations/mine", {}, "InvalidInput"),
        ("PATCH", reservation, {"phoneNumbers": {"nonsense": pick}}, "BadRequest"),
        ("PATCH", reservation, {"phoneNumbers": {"12125550100": good}}, "BadRequest"),
        (
            "PATCH",
            reservation,
            {"phoneNumbers": {f"1212555{place:04d}": pick for place in range(101)}},
            "InvalidInput",
        ),
        ("PATCH", f"{number}/capabilities", {"sms": "all"}, "BadRequest"),
        ("PATCH", f"{number}/capabilities", b"{", "BadRequest"),
        ("GET", "/phoneNumbers/operations/nonsense", None, "NotFound"),
        ("GET", f"/phoneNumbers/operations/search_{uuid4()}", None, "NotFound"),
        ("DELETE", f"/phoneNumbers/operations/purchase_{uuid4()}", None, "NotFound"),
        ("GET", "/availablePhoneNumbers/searchResults/nonsense", None, "NotFound"),
        ("POST", "/availablePhoneNumbers/:purchase", {"searchId": "x"}, "NotFound"),
        ("POST", "/operatorInformation/:search", {"phoneNumbers": []}, "BadRequest"),
        ("POST", "/operatorInformation/:search", {"phoneNumbers": ["+1" * 40]}, "BadRequest"),
    ):
        joined = f"{target}{'&' if '?' in target else '?'}{V}"
        answer = await ask(home, method, joined, body)
        status, found, _ = problem(answer)
        assert (found, status) == (code, 404 if code == "NotFound" else 400), (method, target, answer.body)
    assert (await ask(home, "GET", f"{reservation}?{V}")).status == 404
    mine = await ask(home, "GET", f"{number}?{V}")
    assert mine.json["capabilities"] == {"calling": "inbound+outbound", "sms": "inbound+outbound"}


async def test_a_reservation_under_anothers_id_is_another(home: Inside) -> None:
    path = f"/availablePhoneNumbers/reservations/{uuid4()}?{V}"
    seen = await ask(
        home, "POST", f"/availablePhoneNumbers/countries/US/:browse?{V}", {"phoneNumberType": "tollFree"}
    )
    one, two = seen.json["phoneNumbers"][:2]
    theirs = await ask(home, "PATCH", path, {"phoneNumbers": {one["id"]: one}}, home.other)
    mine = await ask(home, "PATCH", path, {"phoneNumbers": {one["id"]: one, two["id"]: two}})
    assert (theirs.status, mine.status) == (201, 207)
    assert mine.json["phoneNumbers"][one["id"]]["status"] == "error"
    assert (await ask(home, "DELETE", path)).status == 204
    left = await ask(home, "GET", path, tenant=home.other)
    assert (left.status, list(left.json["phoneNumbers"])) == (200, [one["id"]])


async def test_a_reservation_takes_a_merge_patch(home: Inside) -> None:
    path = f"/availablePhoneNumbers/reservations/{uuid4()}?{V}"
    headers = {**home.signed("PATCH", path, b"{}"), "Content-Type": "application/merge-patch+json"}
    assert (await home.ask("PATCH", path, b"{}", headers)).status == 201
    headers = {**home.signed("PATCH", path, b"{}"), "Content-Type": "text/plain"}
    assert problem(await home.ask("PATCH", path, b"{}", headers))[:2] == (415, "UnsupportedMediaType")


async def test_holding_everything_is_refused_with_a_time_to_come_back(tmp_path: Path) -> None:
    async with inside(tmp_path / "var", numbers__max_held="5") as home:
        assert (await ask(home, "POST", SEARCH, {**WISH, "quantity": 4})).status == 202
        refused = await ask(home, "POST", SEARCH, {**WISH, "quantity": 2})
        assert problem(refused)[:2] == (429, "TooManyRequests")
        assert refused.json["error"]["innererror"]["code"] == "numbers.max_held"
        assert int(refused.headers["retry-after"]) > 0
        other = await ask(home, "POST", SEARCH, {**WISH, "quantity": 5}, home.other)
        assert other.status == 202


async def test_an_operator_imports_assigns_and_withdraws(home: Inside) -> None:
    lines = ["+15035550100,1.50", "+15035550101,oops", "+15035550102-0104,2", "+15035550101,1.50,extra"]
    body = {"columns": ["number", "cost"], "lines": lines, "defaults": {"carrier": "simulated"}}
    answer = await admin(home, "POST", "/admin/numbers:import", body)
    assert answer.json["kept"] == 4
    assert [one["line"] for one in answer.json["rejected"]] == [3, 5]
    listed = await admin(home, "GET", "/admin/numbers?prefix=%2B1503&top=3")
    assert [one["number"] for one in listed.json["value"]] == ["+15035550100", "+15035550102", "+15035550103"]
    rest = await admin(home, "GET", listed.json["nextLink"])
    assert [one["number"] for one in rest.json["value"]] == ["+15035550104"]
    assert "nextLink" not in rest.json
    one = "/admin/numbers/%2B15035550100"
    given = await admin(home, "POST", f"{one}:assign", {"resource": to_text(home.other.id)})
    assert (given.json["state"], given.json["resource"]) == ("owned", to_text(home.other.id))
    theirs = await ask(home, "GET", f"/phoneNumbers/%2B15035550100?{V}", tenant=home.other)
    assert theirs.json["cost"]["amount"] == 1.5
    assert (await ask(home, "GET", f"/phoneNumbers/%2B15035550100?{V}")).status == 404
    assert problem(await admin(home, "DELETE", one))[:2] == (409, "Conflict")
    again = await admin(home, "POST", f"{one}:assign", {"resource": to_text(home.one.id)})
    assert problem(again)[:2] == (409, "Conflict")
    assert (await admin(home, "DELETE", "/admin/numbers/%2B15035550102")).status == 204
    assert (await admin(home, "GET", "/admin/numbers/%2B15035550102")).status == 404
    for resource in ("nonsense", str(uuid4())):
        nobody = await admin(home, "POST", f"{one}:assign", {"resource": resource})
        assert problem(nobody) == (404, "NotFound", "resource")


@pytest.mark.parametrize(
    ("body", "target"),
    [
        ({"columns": ["colour"], "lines": []}, "columns"),
        ({"columns": ["cost"], "lines": []}, "columns"),
        ({"columns": ["number"], "lines": [], "delimiter": "|"}, "delimiter"),
        ({"columns": ["number"], "lines": [], "defaults": {"colour": "red"}}, "defaults"),
        ({"columns": ["number"], "lines": ["x" * 5000]}, "lines[0]"),
        ({"columns": ["number"], "lines": ["a\0b"]}, "lines[0]"),
        ({"columns": ["number"], "lines": [f"+1503{each}0000-9999" for each in range(210, 222)]}, "lines"),
        ({"columns": ["number"], "line": []}, "line"),
    ],
)
async def test_an_import_that_cannot_be_read_says_why(
    home: Inside, body: dict[str, Any], target: str
) -> None:
    body = {
        **body,
        "defaults": {
            "carrier": "simulated",
            "type": "geographic",
            "country": "US",
            **body.get("defaults", {}),
        },
    }
    answer = await admin(home, "POST", "/admin/numbers:import", body)
    assert answer.status == 400
    found = answer.json["error"].get("target")
    assert found is None or found.startswith(target.partition("[")[0]), answer.json


async def test_filters_of_the_inventory_are_checked(home: Inside) -> None:
    for query in ("state=lost", "type=dog", "top=0", "continuation=%2B"):
        assert (await admin(home, "GET", f"/admin/numbers?{query}")).status == 400
    mobile = await admin(
        home, "GET", "/admin/numbers?type=mobile&country=GB&carrier=simulated&state=free&top=2"
    )
    assert [one["number"] for one in mobile.json["value"]] == ["+447700900000", "+447700900001"]
