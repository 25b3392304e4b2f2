"""`tandem rates`, `limits` and `usage` against a running gateway."""

import asyncio
import csv
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from tandem.cli.app import assembled
from tests.support.inside import OTHERS_NUMBER, Inside, inside

pytestmark = [pytest.mark.wire, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def home(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Inside]:
    with capture_logs():  # the gateway's log goes where the command's answer is looked for
        async with inside(tmp_path_factory.mktemp("var"), http__rate="1000000") as running:
            yield running


async def run(home: Inside, *arguments: str) -> Result:
    command = [*arguments, "--data", str(home.data)]
    application = assembled([arguments[0]])
    return await asyncio.to_thread(CliRunner().invoke, application, command, env={"COLUMNS": "300"})


async def said(home: Inside, *arguments: str) -> str:
    result = await run(home, *arguments)
    assert result.exit_code == 0, (arguments, result.output)
    return result.output


async def test_a_broken_file_is_taken_but_for_its_broken_lines(home: Inside, tmp_path: Path) -> None:
    file, report = tmp_path / "rates.csv", tmp_path / "report.csv"
    file.write_bytes(
        b"\xef\xbb\xbfDial Code;Rate;Quality\n1;0.01;a\n49;;a\n\xff;1;a\n7;\x001;a\n"
        + b"9" * 100_000
        + b'\n44;"0.02;a\n1;0.5;a\n33;0.03;a\n'
    )
    common = ("rates", "import", str(file), "--sheet", "broken", "--kind", "sms")
    refused = await run(home, *common)
    assert refused.exit_code == 1
    assert "--ignore quality" in refused.output
    done = await run(home, *common, "--ignore", "Quality", "--report", str(report))
    assert done.exit_code == 1
    assert "2 rates are in force in broken; 6 lines were rejected" in done.output
    with report.open(newline="") as opened:
        rows = list(csv.reader(opened))
    assert rows == [
        ["line", "reason"],
        ["3", "price: not given"],
        ["4", "not UTF-8"],
        ["5", "a NUL: is the file in UTF-16?"],
        ["6", "longer than 4096 bytes"],
        ["7", "quotes: unexpected end of data"],
        ["8", "the same prefix, kind and date as line 2"],
    ]


async def test_a_strict_import_takes_all_or_nothing(home: Inside, tmp_path: Path) -> None:
    file = tmp_path / "rates.csv"
    file.write_text("prefix,price\n1,0.01\n1,0.02\n")
    common = ("rates", "import", str(file), "--sheet", "strict", "--kind", "sms", "--strict")
    for text in ("prefix,price\n1,0.01\n1,0.02\n", "prefix,price\n1,0.01\nx,0.02\n"):
        file.write_text(text)
        done = await run(home, *common)
        assert done.exit_code == 1
        assert "strict was not changed; 1 lines were rejected" in done.output
    assert "strict" not in await said(home, "rates", "list")
    file.write_text("prefix,price\n1,0.01\n")
    assert "1 rates are in force in strict; 0 lines" in await said(home, *common)


async def test_a_sheet_is_used_shown_exported_and_deleted(home: Inside, tmp_path: Path) -> None:
    file, copy = tmp_path / "rates.csv", tmp_path / "copy.csv"
    file.write_text("prefix,kind,price,increments\n1,voice,0.01,60/60\n1206,sms,0.02,\n")
    await said(home, "rates", "import", str(file), "--sheet", "shown")
    await said(home, "rates", "use", "shown", "--resource", "other")
    assert "resource:" in await said(home, "rates", "list")
    assert "60/60" in await said(home, "rates", "show", "shown")
    found = await said(home, "rates", "show", "shown", "--number", "+12065550100")
    assert "1206" in found.splitlines()[1]
    await said(home, "rates", "export", "shown", str(copy))
    await said(home, "rates", "import", str(copy), "--sheet", "shown")
    used = await run(home, "rates", "delete", "shown")
    assert used.exit_code == 1
    assert "in use" in used.output
    await said(home, "rates", "unuse", "--resource", "other")
    await said(home, "rates", "delete", "shown")


async def test_limits_are_shown_and_set(home: Inside) -> None:
    assert "demonstration resource" in await said(home, "limits", "show")
    await said(home, "limits", "set", "other", "messages_per_day=7", "countries=own,DE", "calls=unlimited")
    shown = await said(home, "limits", "show", "other")
    values = {line.split()[0]: line.split()[1:] for line in shown.splitlines()[1:]}
    assert values["messages_per_day"] == ["7", "0"]
    assert values["countries"] == ["own,DE"]
    assert values["calls"] == ["unlimited"]
    assert values["premium"] == ["refuse", "default"]
    await said(home, "limits", "set", "other", "messages_per_day=default")
    assert "1000 default" in " ".join((await said(home, "limits", "show", "other")).split())
    for wrong in ("mesages=1", "messages_per_day", "messages_per_day=x", "messages_per_day=-1"):
        assert (await run(home, "limits", "set", "other", wrong)).exit_code != 0


async def test_usage_is_shown_and_written(home: Inside, tmp_path: Path) -> None:
    body = {"from": OTHERS_NUMBER, "smsRecipients": [{"to": "+12065550100"}], "message": "Hi"}
    target = "/sms?api-version=2021-03-07"
    sent = await home.sign_and_ask("POST", target, json.dumps(body).encode(), tenant=home.other)
    assert sent.status == 202
    shown = await said(home, "usage", "--by", "carrier,country", "--resource", "other")
    assert shown.splitlines()[1].split() == ["simulated", "US", "1", "1"]
    file = tmp_path / "usage.csv"
    await said(home, "usage", "--by", "country", "--resource", "other", "--csv", str(file))
    assert file.read_text().splitlines()[1] == "US,1,1,0.00,,0.00,"
    assert (await run(home, "usage", "--by", "colour")).exit_code == 1
