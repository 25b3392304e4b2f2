"""`tandem replay`: a draft in a folder, run over what a whole gateway has sent."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from tandem.cli.app import assembled
from telephony.kernel import ids
from telephony.kernel.clock import HOUR, SystemClock, to_iso
from telephony.kernel.ids import to_text
from tests.support.inside import Inside, inside

pytestmark = [pytest.mark.wire, pytest.mark.asyncio(loop_scope="module")]

SENT = ("+4930123456", "+4930223456", "+491701234567", "+14165550123")
"""Whom the messages of this module are for."""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def home(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Inside]:
    """One gateway for all tests of this module, which has accepted some messages."""
    # Ids never go back within a process, and other modules' clocks stood years ahead: what is sent here must
    # have ids of its own time to be found by it.
    ids._last = 0
    with capture_logs():  # the gateway's log goes where the command's answer is looked for
        async with inside(tmp_path_factory.mktemp("var")) as running:
            recipients = [{"to": number} for number in SENT]
            body = {"from": running.one.number, "smsRecipients": recipients, "message": "Hi"}
            sent = await running.sign_and_ask(
                "POST", "/sms?api-version=2021-03-07", json.dumps(body).encode()
            )
            assert sent.status == 202, sent.body
            assert [one["httpStatusCode"] for one in sent.json["value"]] == [202] * len(SENT), sent.body
            yield running


async def run(home: Inside, draft: Path, *arguments: str) -> Result:
    now = SystemClock().now()
    period = ("--from", to_iso(now - HOUR), "--to", to_iso(now + HOUR))
    command = ["replay", "--draft", str(draft), *period, *arguments, "--data", str(home.data)]
    return await asyncio.to_thread(CliRunner().invoke, assembled(["replay"]), command, env={"COLUMNS": "300"})


async def in_force(home: Inside) -> dict[str, Any]:
    return dict((await home.administer("GET", "/admin/routes")).json)


def drafted(folder: Path, routes: str, **sheets: str) -> Path:
    (folder / "routes.toml").write_text(routes)
    (folder / "rates").mkdir()
    for name, text in sheets.items():
        (folder / "rates" / f"{name}.csv").write_text(text)
    return folder


ROUTES = """
[[routes]]
id = "berlin"
kind = "sms"
target = "simulated"
prefixes = ["+4930"]
cost = 50_000

[[routes]]
id = "rest"
kind = "sms"
target = "@number"
countries = ["DE"]
"""


async def test_the_set_in_force_changes_nothing(home: Inside, tmp_path: Path) -> None:
    found = await in_force(home)
    (tmp_path / "routes.toml").write_text(
        '[[routes]]\nid = "by-the-number"\nkind = "sms"\ntarget = "@number"\n'
    )
    assert [one["id"] for one in found["set"]["routes"]] == ["by-the-number", "calls-by-the-number"]
    done = await run(home, tmp_path, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.output)
    assert (told["looked"], told["effects"], told["changes"]) == (4, {"same": 4}, [])


async def test_a_draft_shows_what_it_would_change_with_counts_and_cost(home: Inside, tmp_path: Path) -> None:
    before = await in_force(home)
    folder = drafted(tmp_path, ROUTES, spare="prefix,price,kind\n49,0.01,sms\n")
    arguments = ("--resource", to_text(home.one.id), "--currency", "EUR")
    done = await run(home, folder, *arguments, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.output)
    assert told["effects"] == {"route": 3, "refused": 1}
    ways = {
        (one["before"]["route"], one["after"].get("route", ""), one["effect"]): one["count"]
        for one in told["changes"]
    }
    assert ways == {
        ("by-the-number", "berlin", "route"): 2,
        ("by-the-number", "rest", "route"): 1,
        ("by-the-number", "", "refused"): 1,
    }
    costs = [one for one in told["costs"] if one["basis"] == "route"]
    assert [(one["carrier"], one["before"]["micros"], one["after"]["micros"]) for one in costs] == [
        ("simulated", 0, 100_000)
    ]
    assert told["unusedSheets"] == ["spare"]
    reasons = {one["to"]: one["afterReasons"]["tried"] for one in told["examples"]}
    assert [(each["rule"], each["why"]) for each in reasons["+14165550123"]] == [
        ("rest", "not for this country")
    ]
    shown = (await run(home, folder, *arguments)).output
    for text in (
        "4 calls and texts",
        "1 are refused, and were not",
        "simulated by by-the-number",
        "refused: No route takes this number now.",
        "+0.10",
        "rest (not): not for this country",
        "nobody is charged by them here",
    ):
        assert text in shown, shown
    assert await in_force(home) == before


@pytest.mark.parametrize(
    ("routes", "sheet", "file", "text"),
    [
        ("[[routes]\n", "", "routes.toml", "line 1"),
        (ROUTES.replace("prefixes", "prefixs"), "", "routes.toml: routes[0].prefixs", "no such field"),
        (
            ROUTES.replace('"simulated"', '"nobody"'),
            "",
            "routes.toml: routes[0].target",
            "there are simulated",
        ),
        (ROUTES, "prefix,prize\n49,1\n", "rates/sheet.csv", "--ignore prize"),
        (ROUTES, "prefix,price,kind\n49,1,sms\n49,x,sms\n", "rates/sheet.csv", "line 3: price"),
    ],
)
async def test_a_broken_draft_names_file_key_and_remedy(
    home: Inside, tmp_path: Path, routes: str, sheet: str, file: str, text: str
) -> None:
    before = await in_force(home)
    folder = drafted(tmp_path, routes, **({"sheet": sheet} if sheet else {}))
    done = await run(home, folder, "--currency", "EUR")
    assert done.exit_code == 1
    assert str(folder / file) in done.output.replace("\n", ""), done.output
    assert text in done.output
    assert await in_force(home) == before


async def test_a_resources_inbound_rules_are_part_of_a_draft(home: Inside, tmp_path: Path) -> None:
    (tmp_path / "resources").mkdir()
    file = tmp_path / "resources" / f"{to_text(home.one.id)}.toml"
    file.write_text('[[inbound]]\nid = "in"\nprefixes = ["+1"]\ntarget = { kind = "reject" }\n')
    done = await run(home, tmp_path)
    assert done.exit_code == 0, done.output
    assert "4 go as before" in done.output
    file.write_text('[[inbound]]\nid = "in"\nprefixes = ["+1"]\ntarget = { kind = "nowhere" }\n')
    done = await run(home, tmp_path)
    assert done.exit_code == 1
    assert f"{file}: inbound[0].target.kind: There is no target" in done.output.replace("\n", "")
    file.rename(file.with_name("nobody.toml"))
    assert "There is no resource of this id" in (await run(home, tmp_path)).output


async def test_an_empty_folder_is_no_draft(home: Inside, tmp_path: Path) -> None:
    done = await run(home, tmp_path)
    assert done.exit_code == 1
    assert "there is no draft in it" in done.output
