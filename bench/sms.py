"""Text messages through a whole node: HTTPS in, SMPP out, receipts back, one webhook call each.

Rate is what was accepted and what was over a second; CPU is the gateway's alone, read from /proc. The load
generator repeats one signed request a second over keep-alive connections, so that it costs little; it, the
carrier and the webhooks' sink share the machine's cores with the gateway.
"""

import asyncio
import json
import multiprocessing
import os
import ssl
import tempfile
import time
from base64 import b64decode
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

import uvloop

from telephony.kernel.clock import SystemClock
from telephony.kernel.http.signature import sign
from tests.support.node import Node, free_ports, node

CONNECTIONS = 32
TARGET = "/sms?api-version=2021-03-07"
TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Print the table."""
    rows = [
        ("one recipient a request, no webhook", measure(20_000, 1, webhook=False)),
        ("one recipient a request, a webhook call each", measure(20_000, 1, webhook=True)),
        ("100 recipients a request, no webhook", measure(100_000, 100, webhook=False)),
        ("100 recipients a request, a webhook call each", measure(50_000, 100, webhook=True)),
    ]
    print("| HTTPS in, SMPP out, receipts back | accepted/s | over/s | gateway CPU, µs a message |")
    print("|---|---|---|---|")
    for name, (accepted, over, cpu) in rows:
        print(f"| {name} | {accepted:,.0f} | {over:,.0f} | {cpu:.0f} |")
    print()


def measure(messages: int, recipients: int, *, webhook: bool) -> tuple[float, float, float]:
    """Return accepted a second, over a second, and µs of the gateway's CPU a message."""
    (sink_port,) = free_ports(1)
    with tempfile.TemporaryDirectory() as folder, sink(sink_port) as calls:
        settings = ("log.level=warning", "http.rate=1000000", "http.burst=1000000", "simulated.journal=")
        with node(Path(folder) / "var", *settings, f"outbound.allow=127.0.0.1:{sink_port}") as running:
            if webhook:
                running.admin(
                    f"/admin/resources/{running.resource()}/subscriptions",
                    "POST",
                    {"name": "sink", "url": f"http://127.0.0.1:{sink_port}/", "schema": "cloudevents"},
                )
            running.wait_for_output("Tandem is ready")
            gateway = running.children()["gateway"]
            cpu, begun = cpu_seconds(gateway), time.monotonic()
            spawn(load, running.port, connection(running), running.number, messages // recipients, recipients)
            accepted = time.monotonic() - begun
            wait_until_over(running, messages, calls if webhook else None)
            over = time.monotonic() - begun
            used = cpu_seconds(gateway) - cpu
    return messages / accepted, messages / over, used / messages * 1e6


def wait_until_over(running: Node, messages: int, called: "Synchronized[int] | None") -> None:
    """Wait until every receipt is acknowledged, and every event delivered if there are any."""
    until = time.monotonic() + 300
    while True:
        counts = running.carrier_counts()
        if counts["answered"] >= messages and (called is None or called.value >= messages):
            return
        assert time.monotonic() < until, counts
        time.sleep(0.05)


def connection(running: Node) -> tuple[bytes, str]:
    """Return the access key and the authority."""
    return b64decode(running.connection_string.rpartition("accesskey=")[2]), str(running.ca)


def load(port: int, credentials: tuple[bytes, str], number: str, requests: int, recipients: int) -> None:
    """Send `requests` over all connections; run in a process of its own."""
    uvloop.run(_load(port, credentials, number, requests, recipients))


async def _load(
    port: int, credentials: tuple[bytes, str], number: str, requests: int, recipients: int
) -> None:
    key, authority_file = credentials
    context = ssl.create_default_context(cafile=authority_file)
    body = json.dumps(
        {
            "from": number,
            "smsRecipients": [{"to": f"+1206556{index:04d}"} for index in range(recipients)],
            "message": "Your code is 123456. It is good for ten minutes.",
            "smsSendOptions": {"enableDeliveryReport": True},
        }
    ).encode()
    signed: dict[int, bytes] = {}

    def request() -> bytes:
        second = int(time.time())
        if second not in signed:
            headers = sign(
                "POST", TARGET, host=f"127.0.0.1:{port}", body=body, key=key, now=SystemClock().now()
            )
            lines = [f"POST {TARGET} HTTP/1.1", f"Host: 127.0.0.1:{port}", f"Content-Length: {len(body)}"]
            lines += [
                "Content-Type: application/json",
                *(f"{name}: {value}" for name, value in headers.items()),
            ]
            signed[second] = "\r\n".join([*lines, "", ""]).encode() + body
        return signed[second]

    left = iter(range(requests))

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        for _ in left:
            writer.write(request())
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 202"), head
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
        writer.close()

    await asyncio.gather(*(client() for _ in range(CONNECTIONS)))


class sink:  # noqa: N801 - used as a context manager
    """A webhook endpoint in a process of its own that says 200 to everything."""

    def __init__(self, port: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._calls = context.Value("q", 0, lock=False)
        self._process = context.Process(target=_sink, args=(port, self._calls), daemon=True)

    def __enter__(self) -> "Synchronized[int]":
        self._process.start()
        return self._calls

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.join()


def _sink(port: int, calls: "Synchronized[int]") -> None:
    class Protocol(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport
            self.rest = b""

        def data_received(self, data: bytes) -> None:
            self.rest += data
            while (end := self.rest.find(b"\r\n\r\n")) >= 0:
                head = self.rest[:end].lower()
                length = int((head + b"\r\n").partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
                if len(self.rest) < end + 4 + length:
                    return
                self.rest = self.rest[end + 4 + length :]
                calls.value += 1
                self.transport.write(  # type: ignore[attr-defined]
                    b"HTTP/1.1 200 OK\r\nWebHook-Allowed-Origin: *\r\nContent-Length: 0\r\n\r\n"
                )

    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(Protocol, "127.0.0.1", port)
        await server.serve_forever()

    uvloop.run(serve())


def spawn(function: object, *arguments: object) -> None:
    """Run a function in a process of its own, to its end."""
    process = multiprocessing.get_context("spawn").Process(target=function, args=arguments)  # type: ignore[arg-type]
    process.start()
    process.join()
    assert process.exitcode == 0


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used, its threads included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


if __name__ == "__main__":
    main()
