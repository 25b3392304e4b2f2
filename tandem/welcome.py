"""What a start shows: on the first, messages and calls out and in; on each, how to reach the node."""

import os
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

from rich.console import Console

from tandem.cli.client import Client
from tandem.cli.show import print_message
from tandem.config.tree import SIMULATED, Configuration
from tandem.first_start import Keepsakes
from tandem.media_processes import CARRIER_SOCKET, socket_folder
from tandem.welcome_calls import Carrier, show_calls
from telephony.kernel.clock import SystemClock
from telephony.kernel.errors import RemoteUnavailable, TandemError
from telephony.kernel.http.dates import format_http_date

ANSWERING_NUMBER: Final = "+12065550107"
"""The simulated carrier's number that answers every message (docs/reference/simulated-carrier.md)."""

SECONDS: Final = 20.0
"""How long the first messages may take before the start says that something is wrong."""

LOOK_SECONDS: Final = 0.05


class Asks(Protocol):
    """What is needed of a `tandem.cli.client.Client`."""

    def admin(self, method: str, path: str) -> Any:  # noqa: ANN401 - JSON
        """See Client."""
        ...

    def acs(self, method: str, target: str, body: object) -> Any:  # noqa: ANN401 - JSON
        """See Client."""
        ...

    def resource(self) -> str:
        """See Client."""
        ...


OVER: Final = ("delivered", "failed", "expired", "unreported", "cancelled")


def run(configuration: Configuration) -> None:
    """Show the node; on the first start with the simulated carrier take a message out and one in.

    A gateway that goes away meanwhile is waited for: the supervisor starts it again.
    """
    console = Console(soft_wrap=True, highlight=False)
    keepsakes = Keepsakes(configuration.data)
    try:
        if SIMULATED in configuration.carriers and not keepsakes.welcomed.exists():
            client = Client.of(configuration.data)
            _first_messages(console, Patient(client), keepsakes)
            if configuration.calls_run():
                control = Carrier(socket_folder(configuration) / CARRIER_SOCKET)
                number = keepsakes.number.read_text().strip()
                show_calls(console, client, control, client.resource(), number)
        _show(console, configuration.data, keepsakes)
    except TandemError as error:
        console.print(f"[red]{error.message}[/]")
        sys.exit(1)


class Patient:
    """A client that tries again while nobody answers. Give it only what may be repeated."""

    def __init__(
        self,
        client: Asks,
        *,
        seconds: float = SECONDS,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._now, self._sleep = now, sleep
        self._until = now() + seconds

    def admin(self, method: str, path: str) -> Any:  # noqa: ANN401 - JSON
        """See Client."""
        return self._patiently(lambda: self._client.admin(method, path))

    def acs(self, method: str, target: str, body: object) -> Any:  # noqa: ANN401 - JSON
        """See Client."""
        return self._patiently(lambda: self._client.acs(method, target, body))

    def resource(self) -> str:
        """See Client."""
        return str(self._patiently(self._client.resource))

    def _patiently(self, ask: Callable[[], Any]) -> Any:  # noqa: ANN401 - JSON
        while True:
            try:
                return ask()
            except RemoteUnavailable:
                if self._now() >= self._until:
                    raise
            self._sleep(LOOK_SECONDS)


def _first_messages(console: Console, client: Patient, keepsakes: Keepsakes) -> None:
    number = keepsakes.number.read_text().strip()
    resource = client.resource()
    console.print("\n[bold]The first message goes out[/] through the simulated carrier, over SMPP …")
    answer = client.acs(
        "POST",
        "/sms?api-version=2021-03-07",
        {
            "from": number,
            "smsRecipients": [_once(ANSWERING_NUMBER)],
            "message": "Hello from Tandem!",
            "smsSendOptions": {"enableDeliveryReport": True, "tag": "welcome"},
        },
    )
    identifier = answer["value"][0]["messageId"]
    sent = _until(
        lambda: _message(client, resource, identifier), lambda view: view["message"]["state"] in OVER
    )
    print_message(console, sent)
    came = _until(
        lambda: client.admin("GET", f"/admin/resources/{resource}/messages?direction=inbound&top=1")["value"],
        bool,
    )
    if came:
        console.print("\n[bold]and one comes in[/]:")
        print_message(console, _message(client, resource, came[0]["messageId"]))
    since = os.environ.get("TANDEM_STARTED_AT", "")
    if sent["message"]["state"] == "delivered" and came:
        keepsakes.welcomed.touch()
        if since.replace(".", "", 1).isdigit():
            console.print(
                f"\n[green]delivered[/], {time.time() - float(since):.1f} s after the command was given"
            )
    else:
        console.print("[red]The messages did not go through; `tandem messages` and the log say more.[/]")


def _once(number: str) -> dict[str, str]:
    """Return a recipient whose message is one message however often the request is sent."""
    return {
        "to": number,
        "repeatabilityRequestId": str(uuid.uuid4()),
        "repeatabilityFirstSent": format_http_date(SystemClock().now()),
    }


def _until(look: Any, enough: Any) -> Any:  # noqa: ANN401 - JSON, looked at until it satisfies
    until = time.monotonic() + SECONDS
    found = look()
    while not enough(found) and time.monotonic() < until:
        time.sleep(LOOK_SECONDS)
        found = look()
    return found


def _message(client: Patient, resource: str, identifier: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = client.admin("GET", f"/admin/resources/{resource}/messages/{identifier}")
    return found


def _show(console: Console, data: Path, keepsakes: Keepsakes) -> None:
    authority = (data / "ca.pem").absolute()
    number = keepsakes.number.read_text().strip() if keepsakes.number.exists() else "+1…"
    connection = keepsakes.connection_string.read_text().strip()
    if not console.is_terminal:  # it would stand in the log of systemd or Docker
        connection = connection.partition("accesskey=")[0] + "accesskey=…"
    console.print(
        f"""
[bold]Tandem is ready.[/] Ctrl-C stops it.

  connection string  {keepsakes.connection_string}
                     {connection}
  number             {keepsakes.number}: {number}
  local authority    {data / "ca.pem"}

Clients on this machine trust it with:

  export REQUESTS_CA_BUNDLE={authority}
  export SSL_CERT_FILE={authority}
  export NODE_EXTRA_CA_CERTS={authority}

Then, with `pip install azure-communication-sms`:

  from azure.communication.sms import SmsClient
  client = SmsClient.from_connection_string(open("{keepsakes.connection_string.absolute()}").read().strip())
  client.send(from_="{number}", to="+12065550100", message="Hello", enable_delivery_report=True)
""",
        markup=True,
    )
