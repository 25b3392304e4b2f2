"""`tandem carriers` against a running gateway, and what the API refuses."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from tandem.cli.app import assembled
from tests.support.inside import Inside, inside

pytestmark = [pytest.mark.wire, pytest.mark.asyncio(loop_scope="module")]

ACME = """
[carriers.acme]
profile = "smpp-aggregator-transceiver"

[carriers.acme.numbers.main]
first = "+4930123400"
last = "+4930123499"
country = "DE"

[carriers.acme.smpp.acme-1]
host = "127.0.0.1"
port = 9
system_id = "me"
password = "file:secret"
reconnect_seconds = [30.0, 30.0]
"""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def home(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Inside]:
    with capture_logs():  # the gateway's log goes where the command's answer is looked for
        async with inside(tmp_path_factory.mktemp("var")) as running:
            yield running


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "carriers"
    folder.mkdir()
    (folder / "secret").write_text("c4n4ry\n")
    (folder / "acme.toml").write_text(ACME)
    return folder


async def run(home: Inside, *arguments: str) -> Result:
    command = ["carriers", *arguments, *(() if "profile" in arguments else ("--data", str(home.data)))]
    application = assembled(["carriers"])
    return await asyncio.to_thread(CliRunner().invoke, application, command, env={"COLUMNS": "300"})


async def said(home: Inside, *arguments: str) -> str:
    result = await run(home, *arguments)
    assert result.exit_code == 0, (arguments, result.output)
    return result.output


async def test_a_folder_is_checked_applied_listed_and_shown(home: Inside, files: Path) -> None:
    assert await said(home, "apply", str(files), "--check") == "acme: added\nnothing was changed: --check\n"
    assert "acme" not in await said(home)
    assert await said(home, "apply", str(files)) == "acme: added\napplied\n"
    (row,) = [line for line in (await said(home)).splitlines() if "acme.toml" in line]
    assert "acme-1" in row
    assert "+4930123400-+4930123499" in row
    shown = json.loads(await said(home, "show", "acme"))
    assert shown["owner"] == "file"
    assert shown["carrier"]["smpp"]["acme-1"]["password"] == f"file:{files}/secret"
    own = json.loads(await said(home, "show", "simulated"))
    assert (own["owner"], own.get("carrier")) == ("configuration", None)
    assert [each.name for each in home.gateway.sms.links if each.carrier == "acme"] == ["acme-1"]


async def test_a_carriers_numbers_go_into_the_inventory_and_then_keep_it(home: Inside, files: Path) -> None:
    await said(home, "apply", str(files))
    assert await said(home, "stock", "acme") == "100 numbers are in the inventory\n"
    assert (await run(home, "stock", "nobody")).exit_code != 0
    (files / "acme.toml").write_text("")
    refused = await run(home, "apply", str(files))
    assert refused.output.startswith(
        "carriers.acme: cannot be taken away: numbers of the inventory are its (100)"
    )
    assert await said(home, "unstock", "acme") == "100 numbers were withdrawn\n"
    assert await said(home, "apply", str(files)) == "acme: removed\napplied\n"


async def test_a_mistake_names_file_line_key_and_remedy_and_changes_nothing(
    home: Inside, files: Path
) -> None:
    await said(home, "apply", str(files))
    before = await said(home)
    (files / "acme.toml").write_text(ACME.replace("port = 9", "port = 0"))
    (files / "beta.toml").write_text("[carriers.beta]\ncodecs = ['G729']\n[carriers.beta.sip.b]\nhost='b'\n")
    refused = await run(home, "apply", str(files))
    assert refused.exit_code != 0
    first, second = refused.output.splitlines()
    assert first == (
        "acme.toml:12: carriers.acme.smpp.acme-1.port: expected a whole number from 1 to 65535, got 0"
    )
    assert second.startswith("beta.toml:2: carriers.beta.codecs: expected a list of 1 to 4 items")
    assert await said(home) == before


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[carriers.acme\n", "not TOML"),
        ("[numbers]\nx = 1\n", "numbers: no such key here; expected tables [carriers.NAME]"),
        ("[carriers]\nacme = 1\n", "carriers: expected tables [carriers.NAME]"),
    ],
)
async def test_what_is_no_carrier_file_is_refused_before_anything_is_asked(
    home: Inside, files: Path, text: str, complaint: str
) -> None:
    (files / "acme.toml").write_text(text)
    refused = await run(home, "apply", str(files))
    assert refused.exit_code != 0
    assert f"{files}/acme.toml: {complaint}" in refused.output


async def test_an_empty_folder_takes_nothing_away(home: Inside, tmp_path: Path) -> None:
    refused = await run(home, "apply", str(tmp_path))
    assert refused.exit_code != 0
    assert "holds no *.toml file" in refused.output
    assert "expected a folder" in (await run(home, "apply", str(tmp_path / "none"))).output


async def test_what_a_file_owns_is_read_only_in_the_api(home: Inside, files: Path) -> None:
    await said(home, "apply", str(files))
    for method, body in (("PUT", b'{"carrier": {}}'), ("DELETE", b"")):
        answer = await home.administer(method, "/admin/carriers/acme", body)
        assert answer.status == 409
        assert b"owned by the file acme.toml" in answer.body
    answer = await home.administer("PUT", "/admin/carriers/simulated", b'{"carrier": {}}')
    assert (answer.status, b"owned by the node's configuration" in answer.body) == (409, True)
    assert "owned by the file acme.toml" in (await run(home, "remove", "acme")).output


async def test_a_carrier_of_no_file_is_taken_away_by_its_name(home: Inside) -> None:
    body = {"carrier": {"sip": {"a": {"host": "sip", "digest": {"username": "u", "password": "c4n4ry"}}}}}
    made = await home.administer("PUT", "/admin/carriers/single", json.dumps(body).encode())
    assert made.status == 200
    assert b"c4n4ry" not in made.body
    assert await said(home, "remove", "single") == "single: removed\n"
    assert (await home.administer("GET", "/admin/carriers/single")).status == 404


async def test_a_file_twice_or_of_another_kind_is_refused(home: Inside) -> None:
    for names in (["a.toml", "a.toml"], ["../a.toml"], ["a.txt"]):
        body = {"files": [{"name": name, "carriers": {}} for name in names]}
        answer = await home.administer("PUT", "/admin/carriers", json.dumps(body).encode())
        assert answer.status == 400


async def test_profiles_are_listed_and_printed(home: Inside) -> None:
    assert "sip-trunk-tls-srtp" in await said(home, "profile")
    assert (await said(home, "profile", "smpp-3.3-legacy")).startswith("# An old SMSC")
    assert "no such profile; expected one of" in (await run(home, "profile", "x")).output
