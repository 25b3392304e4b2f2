"""What a start shows when the gateway goes away in the middle of it."""

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tandem.first_start import Keepsakes
from tandem.welcome import LOOK_SECONDS, SECONDS, Patient, _show
from telephony.kernel.errors import RemoteError, RemoteUnavailable
from tests.support.clock import ManualClock

pytestmark = pytest.mark.unit


class Gateway:
    """Answers once it was asked often enough."""

    def __init__(self, away: int, error: type[RemoteError] = RemoteUnavailable) -> None:
        self.away = away
        self.error = error
        self.asked: list[object] = []

    def _answer(self, what: object) -> str:
        self.asked.append(what)
        if len(self.asked) <= self.away:
            raise self.error("away")
        return "here"

    def admin(self, method: str, path: str) -> Any:
        return self._answer((method, path))

    def acs(self, method: str, target: str, body: object) -> Any:
        return self._answer((method, target, body))

    def resource(self) -> str:
        return self._answer("resource")


def patient(gateway: Gateway, clock: ManualClock) -> Patient:
    return Patient(gateway, now=clock.monotonic, sleep=clock.advance)


def test_a_gateway_that_comes_back_is_asked_the_same_again() -> None:
    clock = ManualClock()
    gateway = Gateway(away=3)
    assert patient(gateway, clock).acs("POST", "/sms", {"a": 1}) == "here"
    assert gateway.asked == [("POST", "/sms", {"a": 1})] * 4
    assert clock.monotonic() == pytest.approx(1000.0 + 3 * LOOK_SECONDS)
    assert patient(Gateway(away=1), clock).admin("GET", "/") == "here"
    assert patient(Gateway(away=1), clock).resource() == "here"


def test_one_that_stays_away_is_given_up_after_a_while_in_all() -> None:
    clock = ManualClock()
    asking = patient(Gateway(away=10**6), clock)
    with pytest.raises(RemoteUnavailable):
        asking.resource()
    assert clock.monotonic() - 1000.0 == pytest.approx(SECONDS, abs=2 * LOOK_SECONDS)
    with pytest.raises(RemoteUnavailable):  # at once: its time is over
        asking.resource()
    assert clock.monotonic() - 1000.0 == pytest.approx(SECONDS, abs=2 * LOOK_SECONDS)


def test_what_is_refused_is_not_asked_again() -> None:
    gateway = Gateway(away=1, error=RemoteError)
    with pytest.raises(RemoteError):
        patient(gateway, ManualClock()).resource()
    assert len(gateway.asked) == 1


@pytest.mark.parametrize("terminal", [True, False])
def test_the_access_key_is_shown_to_people_and_not_to_a_log(tmp_path: Path, terminal: bool) -> None:
    keepsakes = Keepsakes(tmp_path)
    keepsakes.connection_string.write_text("endpoint=https://127.0.0.1:8443/;accesskey=c2VjcmV0\n")
    said = StringIO()
    _show(Console(file=said, force_terminal=terminal, color_system=None, width=200), tmp_path, keepsakes)
    assert "endpoint=https://127.0.0.1:8443/" in said.getvalue()
    assert ("c2VjcmV0" in said.getvalue()) is terminal
