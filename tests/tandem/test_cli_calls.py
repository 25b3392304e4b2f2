"""The commands about calls, against answers as the administration gives them."""

from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from tandem.cli import calls as module
from tandem.cli.calls import length

pytestmark = pytest.mark.unit

ID = "01a20bc3-fa3b-7b23-b94a-5d78bffb05df"
CALL: dict[str, Any] = {
    "callId": ID,
    "resource": "r",
    "direction": "inbound",
    "from": "+14255550123",
    "to": "+12065550100",
    "state": "completed",
    "live": False,
    "created": "2026-01-01T00:00:00.000000+00:00",
    "rule": "calls-in",
    "target": "number",
    "setupMs": 1200,
    "durationMs": 65_400,
    "cause": {"sip": 200, "q850": 16, "text": "Normal call clearing"},
    "endedBy": "caller",
    "price": "0.020000 USD",
}
LEGS = [
    {
        "leg": "a",
        "side": "in",
        "trunk": "alpha/a1",
        "number": "+14255550123",
        "state": "ended",
        "codec": "PCMU",
    },
    {
        "leg": "b",
        "side": "out",
        "trunk": "beta/b1",
        "number": "[/b]\x1b[2J",
        "state": "ended",
        "codec": "PCMA",
        "mos": 4.2,
        "jitterMs": 2.5,
        "lost": 3,
    },
]
TIMELINE = [
    {
        "at": CALL["created"],
        "source": "sip",
        "kind": "leg.offered",
        "data": {"leg": "a", "side": "in", "trunk": "alpha/a1"},
    },
    {"at": CALL["created"], "source": "route", "kind": "call.routed", "data": {"rule": "calls-in"}},
    {
        "at": CALL["created"],
        "source": "sip",
        "kind": "leg.ringing",
        "data": {"leg": "b", "side": "out", "status": 180},
    },
]
VIEW = {"call": CALL, "legs": LEGS, "timeline": TIMELINE}


class Fake:
    """A client that answers as it was told and remembers what was asked."""

    def __init__(self, *views: dict[str, Any]) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.views = list(views) or [VIEW]

    def resource(self) -> str:
        return "r"

    def admin(self, method: str, path: str, body: object = None) -> Any:
        self.asked.append((method, path, body))
        if method == "POST" and path.endswith("/calls"):
            return CALL
        if "?" in path:
            return {"value": [CALL]}
        return self.views.pop(0) if len(self.views) > 1 else self.views[0]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Fake:
    client = Fake()
    monkeypatch.setattr(module.Client, "of", lambda _: client)
    monkeypatch.setattr(module, "_pause", lambda _: None)
    return client


def run(*arguments: str, status: int = 0, data: Path = Path()) -> str:
    app = typer.Typer()
    app.command("calls")(module.calls)
    app.add_typer(module.call, name="call")
    done = CliRunner().invoke(app, [*arguments, "--data", str(data)], env={"COLUMNS": "300", "TERM": "dumb"})
    assert done.exit_code == status, done.output
    return done.output


def test_calls_are_listed_with_cause_length_and_price(asked: Fake) -> None:
    said = run("calls", "--live", "--peer", "+14255550123")
    assert asked.asked == [("GET", "/admin/resources/r/calls?peer=%2B14255550123&live=true&top=50", None)]
    for word in (ID, "completed", "200/16", "1:05.4", "0.020000 USD"):
        assert word in said


def test_a_call_is_shown_by_its_id_with_both_legs_on_one_ladder(asked: Fake) -> None:
    said = run("call", ID)
    assert asked.asked == [("GET", f"/admin/resources/r/calls/{ID}", None)]
    lines = said.splitlines()
    assert any("<-- alpha/a1" in line and "codec=PCMU" in line for line in lines)
    assert any("--> beta/b1" in line and "mos=4.2" in line and "lost=3" in line for line in lines)
    assert any("-->" in line and "leg.ringing" in line and "status=180" in line for line in lines)
    assert "rule=calls-in" in said
    assert "\x1b" not in said


@pytest.mark.parametrize(
    ("options", "then"),
    [
        ((), {"kind": "echo"}),
        (("--play", "hello"), {"kind": "play", "what": "hello"}),
        (("--join", "+14155550100"), {"kind": "number", "number": "+14155550100"}),
    ],
)
def test_a_call_is_placed(asked: Fake, options: tuple[str, ...], then: dict[str, str]) -> None:
    said = run("call", "place", "+12065550100", "+14255550123", *options)
    assert said.strip() == ID
    body = {"from": "+12065550100", "to": "+14255550123", "then": then}
    assert asked.asked == [("POST", "/admin/resources/r/calls", body)]


def test_a_call_that_is_waited_for_shows_its_end(asked: Fake) -> None:
    ringing = {**VIEW, "call": {**CALL, "live": True, "state": "ringing"}}
    failed = {**VIEW, "call": {**CALL, "state": "busy"}}
    asked.views = [ringing, ringing, failed]
    said = run("call", "place", "+12065550100", "+14255550123", "--wait", "30", status=1)
    assert "busy" in said
    assert len(asked.asked) == 4


def test_a_call_is_hung_up(asked: Fake) -> None:
    run("call", "hangup", ID)
    assert asked.asked == [("POST", f"/admin/resources/r/calls/{ID}:hangUp", None)]


def test_two_targets_exclude_each_other(asked: Fake) -> None:
    run("call", "place", "+1", "+2", "--play", "a", "--join", "+3", status=2)
    assert asked.asked == []


def test_lengths_are_read_as_people_do() -> None:
    assert [length(each) for each in (None, 0, 65_400, 3_723_000)] == ["", "0:00.0", "1:05.4", "1:02:03.0"]
