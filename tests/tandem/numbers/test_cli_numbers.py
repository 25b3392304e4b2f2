"""`tandem numbers` against a running node."""

import csv
import re
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from tandem.cli import numbers as cli
from tandem.cli.app import assembled
from tests.support.node import Node

pytestmark = pytest.mark.peer

APP = assembled(["numbers"])


def tandem(running: Node, *arguments: str) -> Result:
    return CliRunner().invoke(APP, ["numbers", *arguments, "--data", str(running.data)])


def said(running: Node, *arguments: str) -> str:
    result = tandem(running, *arguments)
    assert result.exit_code == 0, result.output
    return str(result.stdout)


def test_numbers_are_searched_bought_shown_and_released(running: Node) -> None:
    found = said(running, "search", "US", "--area-code", "212", "--quantity", "2")
    first, second = re.findall(r"^\+1212\d{7}$", found, re.MULTILINE)
    assert "1.00 USD each" in found
    (command,) = re.findall(r"tandem numbers (buy .+)$", found, re.MULTILINE)
    assert said(running, *command.split()).split() == [first, second]
    assert first in said(running, "list")
    assert first in said(running, "list", "--state", "owned", "--prefix", "+1212")
    shown = said(running, "show", first)
    assert "owned" in shown
    assert "New York City" in shown
    said(running, "release", first)
    assert first not in said(running, "list")
    assert "released" in said(running, "show", first)


def test_a_file_goes_in_but_for_the_lines_that_cannot(running: Node, tmp_path: Path) -> None:
    file, report = tmp_path / "numbers.csv", tmp_path / "rejected.csv"
    file.write_bytes(
        b"\xef\xbb\xbfNumber;Cost\r\n"
        b"+19715550100;1.5\r\n"
        b"+19715550101;\xff\r\n"
        b'+19715550102;"1.5\r\n'
        b"+19715550103\x00;1.5\r\n" + b"9" * 10_000 + b"\r\n\r\n" + b"+19715550104;1.5\r\n+19715550104;2.5"
    )
    result = tandem(running, "import", str(file), "--default", "carrier=simulated", "--report", str(report))
    assert result.exit_code == 1
    assert "2 numbers are in the inventory; 4 lines were rejected" in result.stdout
    with report.open(newline="") as opened:
        reasons = {int(row["line"]): row["reason"] for row in csv.DictReader(opened)}
    assert list(reasons) == [3, 4, 5, 6]
    for line, word in ((3, "UTF-8"), (4, "quotes"), (5, "NUL"), (6, "longer")):
        assert word in reasons[line]
        assert f"line {line}: {reasons[line]}" in result.stderr
    assert "2.50 USD" in said(running, "list", "--prefix", "+19715550104")  # the last line counts


def test_a_large_file_goes_in_over_several_requests(
    running: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "LINES", 100)
    monkeypatch.setattr(cli, "NUMBERS", 20_000)
    file = tmp_path / "numbers.csv"
    lines = [f"+1458{2_000_000 + place},Eugene" for place in range(950)]
    lines[500:500] = ["+14582100000-9999,Eugene", "nonsense,Eugene", "+14582110000-0999,Eugene"]
    file.write_text("\n".join(["number,locality", *lines]))
    result = tandem(running, "import", str(file), "--default", "carrier=simulated")
    assert "11950 numbers are in the inventory; 1 lines were rejected" in result.stdout
    assert "line 503: number" in result.stderr
    found = said(running, "search", "US", "--area-code", "458", "--quantity", "700")
    assert len(re.findall(r"^\+1458", found, re.MULTILINE)) == 700
    said(running, "withdraw", "+14582110998" if "+14582110998" not in found else "+14582110997")


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "number"),
        (b"colour\nred", "colour"),
        ("number\n+1503".encode("utf-16"), "UTF-16"),
        (b'"number\n', "header"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(
    running: Node, tmp_path: Path, content: bytes, word: str
) -> None:
    file = tmp_path / "numbers.csv"
    file.write_bytes(content)
    result = tandem(running, "import", str(file))
    assert result.exit_code != 0
    assert word in result.stderr


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["search", "XX"], "country code"),
        (["search", "US", "--area-code", "999"], "no such numbers"),
        (["buy", "nonsense"], "no such search"),
        (["release", "+19715559999"], "cannot be found"),
        (["show", "+19715559999"], "does not have"),
        (["withdraw", "+19715559999"], "does not have"),
    ],
)
def test_what_is_refused_is_told_in_a_line(running: Node, arguments: list[str], word: str) -> None:
    result = tandem(running, *arguments)
    assert result.exit_code == 1
    assert word in result.stderr
    assert result.stderr.count("\n") == 1
