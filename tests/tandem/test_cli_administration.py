"""The administration's commands against a running gateway."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from tandem.cli.app import assembled
from telephony.kernel.ids import to_text
from tests.support.inside import Inside, inside
from tests.support.receiver import Receiver

pytestmark = [pytest.mark.wire, pytest.mark.asyncio(loop_scope="module")]

PERSON = "+12065550107"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def endpoint() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def home(tmp_path_factory: pytest.TempPathFactory, endpoint: Receiver) -> AsyncIterator[Inside]:
    """One gateway for all tests of this module: none looks at what another one made."""
    allow = f'["127.0.0.1:{endpoint.port}"]'
    with capture_logs():  # the gateway's log goes where the command's answer is looked for
        async with inside(tmp_path_factory.mktemp("var"), outbound__allow=allow) as running:
            yield running


async def run(home: Inside, *arguments: str, stdin: str = "") -> Result:
    """Call a command with the gateway's data folder, as a shell does, and return what came of it."""
    command = [*arguments, "--data", str(home.data)]
    application = assembled([arguments[0]])
    # A group of one command is that command by itself.
    return await asyncio.to_thread(
        CliRunner().invoke, application, command, input=stdin, env={"COLUMNS": "300"}
    )


async def said(home: Inside, *arguments: str, stdin: str = "") -> str:
    result = await run(home, *arguments, stdin=stdin)
    assert result.exit_code == 0, (arguments, result.output)
    return result.output


def value(text: str, name: str) -> str:
    (line,) = [line for line in text.splitlines() if line.startswith(f"{name}: ")]
    return line.removeprefix(f"{name}: ")


async def test_a_resource_is_made_shown_changed_and_disabled(home: Inside) -> None:
    made = await said(home, "resource", "add", "crm", f"127.0.0.2:{home.port}")
    identifier, primary = value(made, "id"), value(made, "primary")
    assert primary.startswith(f"endpoint=https://127.0.0.2:{home.port}/;accesskey=")
    assert value(made, "secondary") != primary
    listed = await said(home, "resource", "list")
    assert [line.split()[1] for line in listed.splitlines()[1:]] == ["first", "other", "crm"]
    rotated = await said(home, "resource", "rotate-key", "crm")
    assert value(rotated, "primary") != primary
    assert "secondary: endpoint=" in await said(home, "resource", "rotate-key", "crm", "--secondary")
    more = await said(home, "resource", "add-authority", "crm", "crm.example")
    assert more == f"127.0.0.2:{home.port}, crm.example\n"
    assert await said(home, "resource", "remove-authority", "crm", more.split(",")[0]) == "crm.example\n"
    await said(home, "resource", "remove", identifier)
    shown = await said(home, "resource", "show", "crm")
    assert (value(shown, "state"), value(shown, "authorities")) == ("disabled", "crm.example")
    await said(home, "resource", "enable", "crm")
    assert value(await said(home, "resource", "show", identifier), "state") == "enabled"
    nobody = await run(home, "resource", "show", "nobody")
    assert (nobody.exit_code, "no resource is called nobody" in nobody.output) == (1, True)
    taken = await run(home, "resource", "add", "more", "crm.example")
    assert (taken.exit_code, "409 Conflict" in taken.output) == (1, True)


async def test_keys_of_administration_are_made_listed_and_revoked(home: Inside) -> None:
    made = await said(home, "admin-key", "add", "billing department", "--role", "billing")
    assert value(made, "key").startswith("tak_")
    listed = await said(home, "admin-key", "list")
    assert ("billing department" in listed, "tak_" in listed) == (True, False)
    await said(home, "admin-key", "revoke", value(made, "id"))
    again = await run(home, "admin-key", "revoke", value(made, "id"))
    assert again.exit_code == 1
    table = await said(home, "audit")
    assert "admin.keys.delete" in table
    assert "this node's own" in table
    records = await said(home, "audit", "--operation", "admin.keys.", "--json")
    assert [json.loads(line)["status"] for line in records.splitlines()] == [404, 204, 201]


async def test_what_others_wrote_is_shown_as_it_is(home: Inside) -> None:
    for name in ("[/x]", "[red]night", "a\x1b]0;b"):
        made = await home.administer(
            "POST", "/admin/keys", json.dumps({"name": name, "role": "billing"}).encode()
        )
        assert made.status in (201, 400)
    assert (await home.administer("DELETE", "/admin/numbers/%5B%2Fx%5D")).status == 404
    listed = await said(home, "admin-key", "list")
    assert "[/x]" in listed
    assert "[red]night" in listed
    recorded = await said(home, "audit", "--top", "4")
    assert "/admin/numbers/[/x]" in recorded
    assert "\x1b" not in listed + recorded


async def test_somebody_is_told_of_alarms(home: Inside, endpoint: Receiver) -> None:
    made = await said(home, "alarms", "subscribe", endpoint.url)
    assert value(made, "secret").startswith("whsec_")
    listed = await said(home, "alarms", "subscriptions")
    identifier = listed.splitlines()[1].split()[0]
    assert endpoint.url in listed
    assert (await said(home, "alarms")).split() == ["raised", "cleared", "severity", "node", "text"]
    await said(home, "alarms", "unsubscribe", identifier)
    assert endpoint.url not in await said(home, "alarms", "subscriptions")


async def test_a_subscriptions_secret_is_rotated(home: Inside, endpoint: Receiver) -> None:
    added = await said(home, "subscription", "add", endpoint.url, "--name", "ruled", "--event", "routed")
    identifier = added.split()[0]
    rotated = await said(home, "subscription", "rotate", identifier)
    assert value(rotated, "secret").startswith("whsec_")
    assert value(rotated, "secret") != value(added, "secret")
    await said(home, "subscription", "remove", identifier)


async def test_the_master_key_is_rotated_and_the_old_one_forgotten(home: Inside) -> None:
    before = value(await said(home, "master-key", "show"), "seals")
    after = await said(home, "master-key", "rotate")
    assert (value(after, "opens"), value(after, "needs an older key")) == (before, "0")
    assert value(await said(home, "master-key", "reseal"), "seals") == value(after, "seals")
    assert "opens" not in await said(home, "master-key", "forget-old")


async def test_a_person_is_forgotten_after_a_question(home: Inside) -> None:
    refused = await run(home, "privacy", "delete", PERSON, stdin="n\n")
    assert refused.exit_code == 1
    report = await said(home, "privacy", "delete", PERSON, stdin="y\n")
    assert value(report, "erased messages") == "0"
    assert value(report, "kept opt-outs") == "0"
    assert not re.search(r"(erased|kept) \w*[A-Z]", report), report
    other = to_text(home.other.id)
    assert "erased" in await said(home, "privacy", "delete", PERSON, "--yes", "--resource", other)
    routes = (await home.administer("GET", "/admin/routes")).json
    rule = {"id": "no-thanks", "kinds": ["sms"], "prefixes": [""], "callers": [PERSON]}
    body = {"set": {"inbound": [rule | {"target": {"kind": "reject"}}]}, "version": routes["version"]}
    assert (await home.administer("PUT", "/admin/routes", json.dumps(body).encode())).status == 200
    report = await said(home, "privacy", "delete", PERSON, "--yes")
    version = routes["version"] + 1
    assert (
        value(report, "still names the number")
        == f"the operator's routes, version {version}: inbound rule no-thanks"
    )
    body = {"set": routes["set"], "version": version}
    assert (await home.administer("PUT", "/admin/routes", json.dumps(body).encode())).status == 200
    report = await said(home, "privacy", "delete", PERSON, "--yes")
    assert value(report, "erased old versions of routes") == "1"
    assert "still names" not in report


async def test_a_node_is_saved_and_put_back(home: Inside, tmp_path: Path) -> None:
    file, words = tmp_path / "saved", tmp_path / "words"
    words.write_text("correct horse battery\n")
    saved = await said(home, "backup", str(file), "--passphrase-file", str(words))
    assert saved.startswith(f"{file}: {file.stat().st_size} bytes, sqlite, revision ")
    short = await run(home, "backup", str(tmp_path / "more"), "--seal", stdin="short\nshort\n")
    assert (short.exit_code, "12 characters" in short.output) == (1, True)
    elsewhere = ("--data", str(tmp_path / "elsewhere"))
    command = ["restore", str(file), *elsewhere]
    right = await asyncio.to_thread(CliRunner().invoke, assembled(), command, input="correct horse battery\n")
    assert right.exit_code == 0, right.output
    assert (tmp_path / "elsewhere" / "tandem.db").exists()
    assert (tmp_path / "elsewhere" / "admin-key").read_text() == (home.data / "admin-key").read_text()
