"""What a first start shows of calls: one in and one out through the simulated carrier, and what was heard."""

import http.client
import json
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

from rich.console import Console

from tandem.cli.calls import print_call
from telephony.kernel.errors import TandemError

TONE_NUMBER: Final = "+12065550120"
"""The simulated carrier's number that answers and plays a tone (docs/reference/simulated-carrier.md)."""

TONE_HERTZ: Final = 425.0
CALLER_HERTZ: Final = 1000.0
NEAR_HERTZ: Final = 25.0
"""How exactly the carrier's telephones tell a frequency."""

TALK_SECONDS: Final = 1.5
READY_SECONDS: Final = 15.0
"""How long workers and engine may take until the first call is taken: they start after the gateway."""
LOOK_SECONDS: Final = 0.1
NOT_YET: Final = frozenset({403, 404, 408, 480, 503})
"""What a call is refused with while workers, engine or edge are still starting."""


class Asks(Protocol):
    """What is needed of a `tandem.cli.client.Client`."""

    def admin(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        """See Client."""
        ...


class Carrier:
    """The simulated carrier's control interface (`carriers.simulated.control`)."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def ask(self, method: str, target: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        """Return its answer. Raises OSError when it is away."""
        connection = http.client.HTTPConnection("localhost", timeout=READY_SECONDS)
        connection.sock = socket.socket(socket.AF_UNIX)
        try:
            connection.sock.settimeout(READY_SECONDS)
            connection.sock.connect(str(self._path))
            headers = {"Content-Type": "application/json"}
            connection.request(method, target, json.dumps(body) if body is not None else None, headers)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()


def first_calls(
    console: Console,
    client: Asks,
    carrier: Carrier,
    resource: str,
    number: str,
    *,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.monotonic,
) -> bool:
    """Take a call in and one out; return whether both were heard both ways. Raises TandemError, OSError."""
    calls = f"/admin/resources/{resource}/calls"
    console.print("\n[bold]A telephone calls[/] your number; nobody took the call, so it hears itself …")
    told = _called(carrier, number, sleep, now)
    found = client.admin("GET", f"{calls}?direction=inbound&top=1")["value"]
    if not found:
        console.print(f"[red]The call did not come in: {told['status']} {told.get('reason', '')}[/]")
        return False
    sleep(LOOK_SECONDS)
    print_call(console, client.admin("GET", f"{calls}/{found[0]['callId']}"))
    came = _heard(console, told, CALLER_HERTZ)
    console.print("\n[bold]and you call one[/], which hears its own tone come back …")
    body = {"from": number, "to": TONE_NUMBER, "then": {"kind": "echo"}}
    placed = client.admin("POST", calls, body)["callId"]
    until = now() + READY_SECONDS
    while client.admin("GET", f"{calls}/{placed}")["call"]["state"] != "talking" and now() < until:
        sleep(LOOK_SECONDS)
    sleep(TALK_SECONDS)
    dialled = TONE_NUMBER.removeprefix("+")
    heard = [each for each in carrier.ask("GET", "/calls")["value"] if each["number"].endswith(dialled)]
    client.admin("POST", f"{calls}/{placed}:hangUp")
    while client.admin("GET", f"{calls}/{placed}")["call"]["live"] and now() < until:
        sleep(LOOK_SECONDS)
    print_call(console, client.admin("GET", f"{calls}/{placed}"))
    return _heard(console, heard[-1] if heard else {}, TONE_HERTZ) and came


def show_calls(console: Console, client: Asks, carrier: Carrier, resource: str, number: str) -> bool:
    """Do it, and say so when it cannot be done: texts go all the same."""
    try:
        both = first_calls(console, client, carrier, resource, number)
    except (TandemError, OSError) as error:
        console.print(f"[red]The calls did not go through: {error}[/]")
        return False
    if not both:
        console.print("[red]The calls were not heard both ways; `tandem calls` and the log say more.[/]")
    return both


def _called(
    carrier: Carrier, number: str, sleep: Callable[[float], None], now: Callable[[], float]
) -> Mapping[str, Any]:
    until = now() + READY_SECONDS
    asked = {"to": number, "hertz": CALLER_HERTZ, "seconds": TALK_SECONDS}
    while True:
        told: Mapping[str, Any] = carrier.ask("POST", "/calls", asked)
        if told["status"] not in NOT_YET or now() >= until:
            return told
        sleep(LOOK_SECONDS)


def _heard(console: Console, told: Mapping[str, Any], hertz: float) -> bool:
    found = float(told.get("heardHertz", 0.0))
    right = abs(found - hertz) <= NEAR_HERTZ
    colour = "green" if right else "red"
    level = f" at {told['heardDbm0']} dBm0" if found else ""
    console.print(f"  [{colour}]the telephone said {hertz:.0f} Hz and heard {found:.0f} Hz{level}[/]")
    return right
