"""Text messages through a whole node, and through Kannel, side by side in one run.

    python -m bench sms [--messages 20000] [--rounds 2] [--only compare|kannel|tandem|https|batches|memory]

HTTP in, submit_sm to the simulated carrier in a process of its own, a receipt for each message, one HTTP
callback for each to a sink; window 100, 32 keep-alive connections, one recipient a request. Kannel has its
file store; Tandem authenticates each request, checks and routes it, and answers once it is on disk
(synchronous=FULL). Rounds alternate, so that whatever else the machine does disturbs both; read ratios.

Rates: requests accepted, and messages over (callback received), a second. CPU: microseconds a message of all
processes of the gateway (Kannel: bearerbox and smsbox; Tandem: gateway and supervisor), read from /proc, and
beside it what the simulated carrier, the generator and the sink took of the same cores. Lag: by how much the
gateway's event loop was late at most, in 99 of 100 samples.
"""

import argparse
import tempfile
from base64 import b64decode
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Final

from bench import kannel, load
from bench.processes import carrier_counts, resident_bytes
from bench.run import Figures, Under, measure
from bench.sink import sink
from tests.support.kannel import missing
from tests.support.node import Node, free_ports, node

TEXT: Final = "Your code is 123456. It is good for ten minutes."
NUMBER: Final = "+14255550100"
TARGET: Final = "/sms?api-version=2021-03-07"
SETTINGS: Final = (
    "log.level=warning",
    "http.rate=1000000",
    "http.burst=1000000",
    "sms.max_backlog=1000000",
    "simulated.journal=",
)
"""Nothing but what would refuse a load on purpose is set; the rest are the defaults."""


@contextmanager
def tandem(
    recipients: int = 1, *, https: bool = False, callbacks: bool = True
) -> Iterator[tuple[Under, load.Signed]]:
    """Run a node, and return it with the request that is repeated."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        endpoint = stack.enter_context(sink()) if callbacks else None
        (plain,) = free_ports(1)
        settings = [*SETTINGS, f"http.plain=127.0.0.1:{plain}"]
        if endpoint is not None:
            settings.append(f"outbound.allow=127.0.0.1:{endpoint.port}")
        running = stack.enter_context(node(folder / "var", *settings))
        running.wait_for_output("Tandem is ready")
        if endpoint is not None:
            running.admin(
                f"/admin/resources/{running.resource()}/subscriptions",
                "POST",
                {"name": "sink", "url": f"http://127.0.0.1:{endpoint.port}/", "schema": "cloudevents"},
            )
        assert running.process is not None
        children = running.children()
        key = b64decode(running.connection_string.rpartition("accesskey=")[2])
        yield (
            Under(
                running.port if https else plain,
                [children["gateway"], running.process.pid],
                children["simulated-carrier"],
                lambda: carrier_counts(running.control_port),
                endpoint,
                str(running.ca) if https else None,
                lambda: lags(running),
            ),
            load.Signed(TARGET, running.authority, key, load.sms_body(NUMBER, TEXT, recipients)),
        )


def one_tandem(messages: int, recipients: int = 1, *, https: bool = False, callbacks: bool = True) -> Figures:
    """Measure one fresh node."""
    with tandem(recipients, https=https, callbacks=callbacks) as (under, requests):
        return measure(under, requests, messages, recipients)


def one_kannel(messages: int) -> Figures:
    """Measure one fresh Kannel."""
    with kannel.under_load(TEXT, NUMBER) as (under, requests):
        return measure(under, requests, messages)


def lags(running: Node) -> dict[float, float]:
    """Return how often the gateway's event loop was late by at most so many seconds."""
    name = "tandem_loop_lag_seconds_bucket"
    return {
        float(sample.partition('le="')[2].partition('"')[0]): count
        for sample, count in running.metrics().items()
        if sample.startswith(name)
    }


HEAD: Final = """\
| HTTP in, SMPP out, receipts back | accepted/s | over/s | CPU, µs a message | lag p99, ms | carrier | generator | sink |
|---|---|---|---|---|---|---|---|"""  # noqa: E501


def line(name: str, figures: Figures) -> str:
    """Return a line of the table."""
    lag = "" if figures.lag is None else f"{figures.lag * 1000:.0f}"
    cells = [
        *(name, f"{figures.accepted_rate:,.0f}", f"{figures.over_rate:,.0f}"),
        *(f"{figures.micro(figures.cpu):.0f}", lag),
        *(f"{figures.micro(each):.0f}" for each in (figures.carrier, figures.generator, figures.sink)),
    ]
    return f"| {' | '.join(cells)} |"


def compare(messages: int, rounds: int) -> None:
    """Print Kannel and Tandem, alternating, and what Tandem is of Kannel."""
    found: list[tuple[Figures, Figures]] = []
    for number in range(1, rounds + 1):
        peer = one_kannel(messages)
        print(line(f"Kannel, file store, http ({number})", peer), flush=True)
        ours = one_tandem(messages)
        print(line(f"Tandem, http ({number})", ours), flush=True)
        found.append((peer, ours))

    def ratio(of: Sequence[float]) -> str:
        return f"{median(of):.2f}"

    print(
        f"| **Tandem / Kannel**, median of {rounds} | "
        f"**{ratio([ours.accepted_rate / peer.accepted_rate for peer, ours in found])}** | "
        f"**{ratio([ours.over_rate / peer.over_rate for peer, ours in found])}** | "
        f"**{ratio([ours.cpu / peer.cpu for peer, ours in found])}** | | | | |"
    )


def memory(messages: int = 500_000, steps: int = 10) -> None:
    """Print what the gateway holds while one node sends many messages."""
    print("| messages over | gateway's memory, MiB | over/s |\n|---|---|---|", flush=True)
    with tandem(100) as (under, requests):
        for step in range(1, steps + 1):
            figures = measure(under, requests, messages // steps, 100)
            held = resident_bytes([under.pids[0]]) / 2**20
            print(f"| {messages // steps * step:,} | {held:.0f} | {figures.over_rate:,.0f} |", flush=True)


def main(arguments: Sequence[str] = ()) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        "python -m bench sms", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", choices=("kannel", "tandem", "compare", "batches", "https", "memory"))
    asked = parser.parse_args(arguments)
    if asked.only == "memory":
        memory()
        return
    print(HEAD, flush=True)
    if asked.only == "tandem":
        for number in range(1, asked.rounds + 1):
            print(line(f"Tandem, http ({number})", one_tandem(asked.messages)), flush=True)
        return
    if asked.only in (None, "compare", "kannel"):
        if missing():
            print("| Kannel is not installed (debian-packages.txt): left out | | | | | | | |")
        elif asked.only == "kannel":
            print(line("Kannel, file store, http", one_kannel(asked.messages)))
        else:
            compare(asked.messages, asked.rounds)
    if asked.only in (None, "https"):
        print(line("Tandem, https", one_tandem(asked.messages, https=True)), flush=True)
    if asked.only in (None, "batches"):
        for recipients in (10, 100):
            for callbacks in (True, False):
                name = f"Tandem, http, {recipients} recipients a request"
                figures = one_tandem(max(asked.messages, 50_000), recipients, callbacks=callbacks)
                print(line(name + ("" if callbacks else ", no callbacks"), figures), flush=True)


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
