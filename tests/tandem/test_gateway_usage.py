"""Rates, limits and usage on the wire of a whole gateway: imports, refusals, reports, roles."""

import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from telephony.kernel.ids import to_text
from tests.support.administrator import Ask, administrator
from tests.support.http import Answer
from tests.support.inside import OTHERS_NUMBER, Inside, inside

pytestmark = [pytest.mark.wire, pytest.mark.asyncio(loop_scope="module")]

GERMANY = "+4915112345678"


@dataclass
class Home:
    """A gateway whose second resource is no demonstration, and its administrator."""

    inside: Inside
    raw: Ask

    async def ask(self, method: str, path: str, body: Any = None, key: str = "") -> Answer:
        return await self.raw(method, path, b"" if body is None else json.dumps(body).encode(), key)

    @property
    def other(self) -> str:
        return to_text(self.inside.other.id)

    async def limit(self, **changes: Any) -> Answer:
        return await self.ask("PATCH", f"/admin/resources/{self.other}/limits", changes)

    async def send(self, *to: str) -> Answer:
        body = {"from": OTHERS_NUMBER, "smsRecipients": [{"to": one} for one in to], "message": "Hi"}
        return await self.inside.sign_and_ask(
            "POST", "/sms?api-version=2021-03-07", json.dumps(body).encode(), tenant=self.inside.other
        )

    async def sheet(self, name: str, *lines: str, currency: str = "USD") -> Answer:
        drafts = f"/admin/rate-sheets/{name}/drafts"
        begun = await self.ask("POST", drafts, {"currency": currency})
        assert begun.status == 201, begun.body
        draft = f"{drafts}/{begun.json['draft']}"
        body = {"columns": ["prefix", "kind", "price"], "lines": lines, "currency": currency}
        added = await self.ask("POST", f"{draft}:add", body)
        assert added.status == 200, added.body
        return await self.ask("POST", f"{draft}:activate", {})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def home(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Home]:
    folder = tmp_path_factory.mktemp("node") / "var"
    async with inside(folder, http__rate="1000000") as running, administrator(running) as ask:
        yield Home(running, ask)


async def test_a_new_resource_has_the_defaults_and_a_demonstration_says_so(home: Home) -> None:
    found = (await home.ask("GET", f"/admin/resources/{home.other}/limits")).json
    assert found["callsPerSecond"] == 1
    assert (found["calls"], found["countries"], found["dailyBudget"]) == (2, ["own"], "20")
    assert (found["own"], found["demonstration"]) == ([], False)
    first = to_text(home.inside.one.id)
    assert (await home.ask("GET", f"/admin/resources/{first}/limits")).json["demonstration"] is True
    nobody = "/admin/resources/00000000-0000-7000-8000-000000000000/limits"
    assert (await home.ask("GET", nobody)).status == 404


async def test_a_patch_merges_and_null_gives_back(home: Home) -> None:
    changed = await home.limit(messagesPerDay=5, countries=["own", "DE"])
    assert (changed.status, changed.json["messagesPerDay"]) == (200, 5)
    assert changed.json["own"] == ["messagesPerDay", "countries"]
    again = await home.limit(messagesPerDay=None, countries=None)
    assert (again.json["messagesPerDay"], again.json["own"]) == (1000, [])


@pytest.mark.parametrize(
    ("patch", "target"),
    [
        ({"messagesPerDay": -1}, "messagesPerDay"),
        ({"messagesPerDay": "lots"}, "messagesPerDay"),
        ({"dailyBudget": 5}, "dailyBudget"),
        ({"dailyBudget": "1e3"}, "dailyBudget"),
        ({"countries": ["de"]}, "countries[0]"),
        ({"countries": ["QQ"]}, "countries"),
        ({"premium": "perhaps"}, "premium"),
        ({"surprise": 1}, "surprise"),
    ],
)
async def test_a_limit_that_cannot_be_is_a_400_at_its_place(
    home: Home, patch: dict[str, Any], target: str
) -> None:
    answer = await home.limit(**patch)
    assert (answer.status, answer.json["error"]["target"]) == (400, target)


async def test_what_a_limit_refuses_is_named_in_the_answer(home: Home) -> None:
    mixed = await home.send(GERMANY, "+12065550100")
    assert mixed.status == 202
    bad, good = mixed.json["value"]
    assert (bad["httpStatusCode"], bad["successful"], good["httpStatusCode"]) == (403, False, 202)
    assert "(countries = own)" in bad["errorMessage"]
    alone = await home.send(GERMANY)
    error = alone.json["error"]
    assert (alone.status, error["code"], error["innererror"]["code"]) == (403, "Forbidden", "countries")
    assert "retry-after" not in alone.headers
    await home.limit(messagesPerSecond=0.01)
    fast = [await home.send("+12065550100") for _ in range(2)]
    assert fast[-1].status == 429
    assert fast[-1].json["error"]["innererror"]["code"] == "messages_per_second"
    assert "retry-after" in fast[-1].headers
    await home.limit(messagesPerSecond=None)


async def test_a_sheet_is_charged_by_and_a_budget_holds(home: Home) -> None:
    done = await home.sheet("retail", "1,sms,0.01", "1206,sms,0.02", "1,sms,9")
    assert done.json["lines"] == 2
    assert done.json["rejected"] == [{"line": 4, "reason": "the same prefix, kind and date as line 2"}]
    used = await home.ask("POST", "/admin/rate-sheets/retail:use", {"resource": home.other})
    assert used.status == 204
    carrier = await home.sheet("cost", "*,sms,0.004", currency="EUR")
    assert carrier.json["inForce"] is True
    await home.ask("POST", "/admin/rate-sheets/cost:use", {"carrier": "simulated"})
    await home.limit(dailyBudget="0.05")
    assert (await home.send("+12065550100", "+12065550101")).status == 202
    refused = await home.send("+12065550100")
    assert (refused.status, refused.json["error"]["innererror"]["code"]) == (403, "daily_budget")
    today = (await home.ask("GET", f"/admin/resources/{home.other}/limits:today")).json
    assert today["spent"] == {"USD": "0.04"}
    found = (await home.ask("GET", f"/admin/usage?by=resource,carrier&resource={home.other}")).json["value"]
    priced = [line for line in found if line["currency"] == "USD"]
    assert priced == [
        {
            "count": 2,
            "units": 2,
            "price": "0.04",
            "currency": "USD",
            "cost": "0.008",
            "costCurrency": "EUR",
            "resource": home.other,
            "carrier": "simulated",
        }
    ]
    export = await home.ask("GET", f"/admin/usage:export?by=carrier&resource={home.other}")
    assert export.headers["content-type"].startswith("text/csv")
    assert b"simulated,2,2,0.04,USD,0.008,EUR" in export.body
    summary = (await home.ask("GET", "/admin/rate-sheets")).json["value"]
    assert {one["name"]: one["usedBy"] for one in summary} == {
        "cost": ["carrier:simulated"],
        "retail": [f"resource:{home.other}"],
    }
    await home.limit(dailyBudget=None)


async def test_a_sheet_is_listed_looked_up_and_exported(home: Home) -> None:
    await home.sheet("listed", "49,voice,0.01", "4930,voice,0.02", "1,sms,0.03")
    page = (await home.ask("GET", "/admin/rate-sheets/listed?prefix=%2B49&top=1")).json
    assert [one["prefix"] for one in page["value"]] == ["49"]
    rest = (await home.ask("GET", page["nextLink"])).json
    assert [one["prefix"] for one in rest["value"]] == ["4930"]
    found = await home.ask("GET", "/admin/rate-sheets/listed:find?number=%2B493012345678&kind=voice")
    assert (found.json["prefix"], found.json["price"]) == ("4930", "0.02")
    assert (await home.ask("GET", "/admin/rate-sheets/listed:find?number=%2B33123456789")).status == 404
    export = await home.ask("GET", "/admin/rate-sheets/listed:export")
    assert export.body.decode().splitlines()[1] == "1,sms,0.03,,,1/1,,,USD,"


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/admin/rate-sheets/%20bad/drafts", {"currency": "USD"}, 400),
        ("POST", "/admin/rate-sheets/s/drafts", {"currency": "usd"}, 400),
        ("POST", "/admin/rate-sheets/none/drafts/1:activate", {}, 400),
        ("POST", "/admin/rate-sheets/none/drafts/x:activate", {}, 404),
        ("GET", "/admin/rate-sheets/none", None, 404),
        ("GET", "/admin/rate-sheets/none:export", None, 404),
        ("DELETE", "/admin/rate-sheets/none", None, 404),
        ("POST", "/admin/rate-sheets/none:use", {"carrier": "simulated"}, 404),
        ("POST", "/admin/rate-sheets/none:use", {"carrier": "nobody"}, 404),
        ("POST", "/admin/rate-sheets/none:use", {}, 400),
        ("GET", "/admin/usage?by=colour", None, 400),
        ("GET", "/admin/usage?from=yesterday", None, 400),
        ("GET", "/admin/usage?resource=me", None, 404),
    ],
)
async def test_what_makes_no_sense_is_refused(
    home: Home, method: str, path: str, body: Any, status: int
) -> None:
    assert (await home.ask(method, path, body)).status == status


async def test_prices_are_billings_and_seen_by_all(home: Home) -> None:
    keys = {
        role: (await home.ask("POST", "/admin/keys", {"name": role, "role": role})).json["key"]
        for role in ("billing", "operator", "read-only")
    }
    for role, status in (("billing", 201), ("operator", 403), ("read-only", 403)):
        begun = await home.ask("POST", "/admin/rate-sheets/roles/drafts", {"currency": "USD"}, keys[role])
        assert begun.status == status
        assert (await home.ask("GET", "/admin/usage", key=keys[role])).status == 200
    for role, status in (("billing", 200), ("operator", 200), ("read-only", 403)):
        limits = f"/admin/resources/{home.other}/limits"
        assert (await home.ask("PATCH", limits, {"calls": 2}, keys[role])).status == status


async def test_a_large_file_goes_in_by_pieces_without_holding_others_up(home: Home) -> None:
    drafts = "/admin/rate-sheets/large/drafts"
    draft = f"{drafts}/{(await home.ask('POST', drafts, {'currency': 'USD'})).json['draft']}"
    columns = ["prefix", "kind", "price"]
    loop, all_threads = time.thread_time(), time.process_time()
    for first in range(2, 20_002, 5_000):
        lines = [f"{1_000_000 + first + place},voice,0.0{place % 100:02d}" for place in range(5_000)]
        body = {"columns": columns, "lines": lines, "currency": "USD", "firstLine": first}
        assert (await home.ask("POST", f"{draft}:add", body)).json["kept"] == 5_000
    done = (await home.ask("POST", f"{draft}:activate", {})).json
    assert (done["lines"], done["inForce"]) == (20_000, True)
    # By processors' time, not the wall's: lines are read and made into a sheet beside the event loop.
    loop, all_threads = time.thread_time() - loop, time.process_time() - all_threads
    assert loop < all_threads / 2
