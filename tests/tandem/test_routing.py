"""Routes by administration and by command, at a whole gateway: put in force, refused, explained."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from tandem.cli.app import assembled
from telephony.kernel.ids import to_text
from tests.support.administrator import Ask, administrator
from tests.support.inside import Inside, inside

pytestmark = [pytest.mark.wire, pytest.mark.asyncio(loop_scope="module")]

ROUTES = """
exchange = { USD = 900_000 }
calendars = { holidays = [2026-12-25] }

[[routes]]
id = "germany"
kind = "sms"
target = "simulated"
prefixes = ["+49"]
cost = 75_000
currency = "USD"
sender_countries = ["US"]
[[routes.windows]]
days = ["mon", "tue"]
begin = "08:00"
end = "18:00"
zone = "Europe/Berlin"
off = "holidays"

[[routes]]
id = "rest"
kind = "sms"
target = "simulated"

[[inbound]]
id = "desk"
kinds = ["voice"]
prefixes = ["+1425"]
target = { kind = "sip", uri = "sip:desk@pbx.example.com" }
"""

MONDAY = "2026-11-23T12:00:00+00:00"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def home(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Inside]:
    """One gateway for all tests of this module."""
    with capture_logs():  # the gateway's log goes where the command's answer is looked for
        async with inside(tmp_path_factory.mktemp("var")) as running:
            yield running


@pytest_asyncio.fixture(loop_scope="module")
async def ask(home: Inside) -> AsyncIterator[Ask]:
    async with administrator(home) as asking:
        yield asking


async def put(ask: Ask, path: str, rules: Any, version: int | None) -> tuple[int, Any]:
    body = {"set": rules} | ({} if version is None else {"version": version})
    answer = await ask("PUT", path, json.dumps(body).encode())
    return answer.status, json.loads(answer.body)


async def version_of(ask: Ask, path: str) -> int:
    return int(json.loads((await ask("GET", path)).body)["version"])


async def run(home: Inside, *arguments: str) -> Result:
    command = [*arguments, "--data", str(home.data)]
    application = assembled([arguments[0]])
    return await asyncio.to_thread(CliRunner().invoke, application, command, env={"COLUMNS": "300"})


async def said(home: Inside, *arguments: str) -> str:
    result = await run(home, *arguments)
    assert result.exit_code == 0, (arguments, result.output)
    return result.output


def rule(**changes: Any) -> dict[str, Any]:
    return {"id": "r", "kind": "sms", "target": "simulated"} | changes


async def test_a_set_is_read_with_its_etag_and_replaced_only_from_the_version_in_force(
    home: Inside, ask: Ask
) -> None:
    before = await version_of(ask, "/admin/routes")
    status, done = await put(ask, "/admin/routes", {"routes": [rule()]}, before)
    assert (status, done["version"]) == (200, before + 1)
    assert [each["what"] for each in done["warnings"]] == ["refused"]  # texts that come in
    answer = await ask("GET", "/admin/routes")
    assert answer.headers["etag"] == f'"{before + 1}"'
    assert json.loads(answer.body)["set"] == {"routes": [rule()]}
    status, refused = await put(ask, "/admin/routes", {"routes": []}, before)
    assert (status, refused["error"]["target"]) == (412, "version")
    assert (await put(ask, "/admin/routes", {"routes": []}, None))[0] == 400
    for tag, body, expected in (
        (f'"{before}"', {}, 412),
        (f'"{before + 1}"', {"version": before}, 400),
        ("*", {}, 400),
        (f'"{before + 1}"', {}, 200),
    ):
        answer = await home.administer(
            "PUT", "/admin/routes", json.dumps({"set": {}} | body).encode(), {"If-Match": tag}
        )
        assert answer.status == expected, tag
    assert answer.headers["etag"] == f'"{before + 2}"'
    earlier = json.loads((await ask("GET", f"/admin/routes?version={before + 1}")).body)
    assert earlier["set"] == {"routes": [rule()]}
    assert (await ask("GET", "/admin/routes?version=99999")).status == 404
    assert (await ask("GET", "/admin/routes?version=x")).status == 400


@pytest.mark.parametrize(
    ("rules", "target"),
    [
        ({"routes": [rule(), rule(id="r2", pattern="(?=1)")]}, "routes[1].pattern"),
        ({"routes": [rule(target="nobody")]}, "routes[0].target"),
        ({"routes": [rule(prefixes=["0049"])]}, "routes[0].prefixes[0]"),
        ({"routes": [rule(cost=-1)]}, "set.routes[0].cost"),
        ({"routes": [rule(speed=1)]}, "set.routes[0].speed"),
        ({"routes": [rule(windows=[{"zone": "Mars"}])]}, "routes[0].windows[0].zone"),
        ({"inbound": [{"id": "a", "prefixes": [""], "target": {"kind": "user"}}]}, "inbound[0].target.kind"),
    ],
)
async def test_a_set_with_anything_wrong_is_refused_at_its_place_and_nothing_changes(
    ask: Ask, rules: dict[str, Any], target: str
) -> None:
    before = await version_of(ask, "/admin/routes")
    status, refused = await put(ask, "/admin/routes", rules, before)
    assert (status, refused["error"]["target"]) == (400, target)
    checked = await ask("POST", "/admin/routes:check", json.dumps({"set": rules}).encode())
    assert (checked.status, json.loads(checked.body)["error"]["target"]) == (400, target)
    assert await version_of(ask, "/admin/routes") == before


async def test_a_resource_has_inbound_rules_of_its_own_and_no_other_has_them(home: Inside, ask: Ask) -> None:
    paths = [f"/admin/resources/{to_text(tenant.id)}/routes" for tenant in (home.one, home.other)]
    inbound = [{"id": "a", "numbers": [home.one.number], "target": {"kind": "reject", "reason": "busy"}}]
    before = await version_of(ask, paths[0])
    assert (await put(ask, paths[0], {"inbound": inbound}, before))[0] == 200
    assert await version_of(ask, paths[1]) == 0
    status, refused = await put(ask, paths[0], {"routes": [rule()]}, before + 1)
    assert (status, refused["error"]["target"]) == (400, "routes")
    assert (await ask("GET", f"/admin/resources/{to_text(bytes(16))}/routes")).status == 404
    asked = {"to": home.one.number, "from": "+4930123456", "direction": "in"}
    told = json.loads((await ask("POST", "/admin/explain", json.dumps(asked).encode())).body)
    assert (told["rule"], told["stops"]) == ("a", [{"kind": "reject", "settings": {"reason": "busy"}}])
    asked = {"to": home.other.number, "from": "+4930123456", "direction": "in"}
    told = json.loads((await ask("POST", "/admin/explain", json.dumps(asked).encode())).body)
    assert told["refusal"] == "No rule is for this number."


async def test_the_audit_tells_versions_and_not_whole_sets(ask: Ask) -> None:
    before = await version_of(ask, "/admin/routes")
    await put(ask, "/admin/routes", {"routes": [rule(id="not-in-the-audit")]}, before)
    (record,) = json.loads((await ask("GET", "/admin/audit?top=1")).body)["value"]
    assert record["operation"] == "admin.routes.put"
    assert (record["before"]["version"], record["after"]["version"]) == (before, before + 1)
    assert "not-in-the-audit" not in json.dumps(record)


async def test_a_key_that_may_only_look_explains_and_replaces_nothing(ask: Ask) -> None:
    made = await ask("POST", "/admin/keys", b'{"name": "viewer", "role": "read-only"}')
    key = json.loads(made.body)["key"]
    assert (await ask("PUT", "/admin/routes", b'{"set": {}, "version": 0}', key)).status == 403
    body = b'{"to": "+4930123456", "from": "+14255550100"}'
    assert (await ask("POST", "/admin/explain", body, key)).status == 200


async def test_a_file_is_applied_shown_and_explained_by_command(home: Inside, tmp_path: Path) -> None:
    file = tmp_path / "routes.toml"
    file.write_text(ROUTES)
    warning, checked = (await said(home, "routes", "apply", str(file), "--check")).splitlines()
    assert warning.startswith("refused: No inbound rule is for texts")
    assert checked == "nothing is wrong with it"
    assert "is in force" in await said(home, "routes", "apply", str(file))
    shown = await said(home, "routes", "show")
    assert "germany" in shown
    assert "0.075 USD" in shown
    assert "windows, sender countries" in shown
    assert "sip" in shown
    again = tmp_path / "again.json"
    again.write_text(await said(home, "routes", "show", "--json"))
    assert "is in force" in await said(home, "routes", "apply", str(again))
    told = await said(home, "explain", "0049 (0)30 123456", "--from", home.one.number, "--at", MONDAY)
    assert "'0049 (0)30 123456' is +4930123456 DE" in told
    lines = [line.split() for line in told.splitlines()]
    assert [line[:3] for line in lines if line[:1] in (["germany"], ["rest"])] == [
        ["germany", "yes", "+49"],
        ["rest", "no", "+"],
    ]
    assert "germany goes there already" in told
    assert "simulated (down)" in told
    assert "4930123456" in told
    assert "limit from: within" in told
    assert "limit demonstration: within" in told
    assert "it goes out" in told
    tuesday_night = await said(
        home, "explain", "+4930123456", "--from", home.one.number, "--at", "2026-11-24T22:00:00+00:00"
    )
    assert "not in force at this time" in tuesday_night
    inward = await said(
        home, "explain", home.other.number, "--from", "+4930123456", "--in", "--kind", "voice"
    )
    assert "sip: uri sip:desk@pbx.example.com" in inward
    assert "it goes in" in inward


async def test_the_set_of_the_how_to_is_right_but_for_its_carriers(home: Inside, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "routing.md").read_text()
    text = "".join(re.findall(r"```toml\n(.*?)```", page, re.DOTALL))
    file = tmp_path / "routes.toml"
    file.write_text(text.replace("acme", "simulated").replace("nightly", "simulated"))
    told = await said(home, "routes", "apply", str(file), "--check")
    assert told == "nothing is wrong with it\n"


async def test_a_file_that_is_wrong_is_refused_and_told(home: Inside, tmp_path: Path) -> None:
    file = tmp_path / "routes.toml"
    for text, said_ in (
        ("[[routes]\n", "routes.toml"),
        (
            '[[routes]]\nid = "a"\nkind = "sms"\ntarget = "nobody"\n',
            "There is no carrier 'nobody'; there are",
        ),
        ('[[routes]]\nid = "a"\nkind = "sms"\ntarget = "simulated"\ncolour = 1\n', "There is no such field"),
    ):
        file.write_text(text)
        result = await run(home, "routes", "apply", str(file))
        assert result.exit_code == 1
        assert said_ in result.output
    assert (await run(home, "routes", "apply", str(tmp_path / "nowhere.toml"))).exit_code == 1


async def test_odd_rules_are_told_when_they_are_applied(home: Inside, tmp_path: Path) -> None:
    file = tmp_path / "routes.toml"
    one = '[[routes]]\nid = "{}"\nkind = "sms"\ntarget = "simulated"\ncost = {}\n'
    file.write_text(one.format("cheap", 1) + one.format("dear", 2))
    told = await said(home, "routes", "apply", str(file))
    assert (
        "unreachable: dear is never used: cheap sends the same numbers to the same carrier before it." in told
    )
