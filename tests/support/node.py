"""A whole node as a user starts it: `tandem run` in a folder of its own, on free ports."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.support.explained import assert_explained

START_SECONDS = 60.0
"""How long a start may take on a machine that does other things too."""


class Node:
    """A running node. Made by `node`."""

    def __init__(self, data: Path, *settings: str) -> None:
        self.data = data
        self.port, self.smsc_port, self.control_port = free_ports(3)
        self.journal = data / "journal"
        self.log = data / "log"
        self.command = [
            *(sys.executable, "-m", "tandem", "run", "--data", str(data), "--port", str(self.port)),
            *("--set", f"simulated.port={self.smsc_port}"),
            *("--set", f"simulated.control_port={self.control_port}"),
            *("--set", f"simulated.journal={self.journal}"),
            *("--set", "log.format=json"),
            *("--set", "sip.enabled=false"),  # tests of calls set it back, and ports with it
        ]
        for setting in settings:
            self.command += ["--set", setting]
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def authority(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def connection_string(self) -> str:
        return (self.data / "connection-string").read_text().strip()

    @property
    def number(self) -> str:
        return (self.data / "number").read_text().strip()

    @property
    def ca(self) -> Path:
        return self.data / "ca.pem"

    @cached_property
    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.ca)

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def keep_journal_at(self, path: Path) -> None:
        """Let the simulated carrier keep its journal elsewhere than in the node's folder."""
        self.command = [part.replace(str(self.journal), str(path)) for part in self.command]
        self.journal = path

    def start(self) -> None:
        """Start, and wait until it takes work."""
        self.start_unready()
        self.wait_ready()

    def start_unready(self) -> None:
        """Start, and wait for nothing."""
        self.data.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment()
            )

    def wait_ready(self) -> None:
        """Wait until the gateway answers that it is ready and every link is bound."""
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            assert self.process is None or self.process.poll() is None, self.output
            if self.health().get("trouble") == []:
                return
            time.sleep(0.02)
        raise AssertionError(f"the node did not become ready:\n{self.output}")

    def health(self) -> dict[str, Any]:
        """Return what /health says, or nothing when nobody answers."""
        if not self.ca.exists():
            return {}
        try:
            with urllib.request.urlopen(
                f"https://{self.authority}/health", timeout=5, context=self.tls
            ) as answer:
                found: dict[str, Any] = json.load(answer)
                return found
        except urllib.error.HTTPError as error:
            return dict(json.load(error))
        except (OSError, ValueError):
            return {}

    def wait_for_output(self, text: str, seconds: float = START_SECONDS) -> None:
        """Wait until the node has printed a text."""
        until = time.monotonic() + seconds
        while text not in self.output:
            assert time.monotonic() < until, self.output
            time.sleep(0.02)

    def admin(self, path: str, method: str = "GET", body: object = None) -> Any:
        """Call the administration API."""
        request = urllib.request.Request(
            f"https://{self.authority}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {(self.data / 'admin-key').read_text().strip()}",
                "Content-Type": "application/json",
            },
        )
        with urllib.request.urlopen(request, timeout=30, context=self.tls) as answer:
            raw = answer.read()
        return json.loads(raw) if raw else None

    def metrics(self) -> dict[str, float]:
        """Return the samples of /metrics by name and labels."""
        request = urllib.request.Request(
            f"https://{self.authority}/metrics",
            headers={"Authorization": f"Bearer {(self.data / 'admin-key').read_text().strip()}"},
        )
        with urllib.request.urlopen(request, timeout=30, context=self.tls) as answer:
            lines = answer.read().decode().splitlines()
        return {
            name: float(value)
            for name, _, value in (line.rpartition(" ") for line in lines if not line.startswith("#"))
        }

    def carrier_counts(self) -> dict[str, int]:
        """Return what the simulated carrier counted."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.control_port}/stats", timeout=30) as answer:
            return dict(json.load(answer)["total"])

    def resource(self) -> str:
        return str(self.admin("/admin/resources")["value"][0]["id"])

    def message(self, message_id: str) -> dict[str, Any]:
        """Return a message with its timeline."""
        found: dict[str, Any] = self.admin(f"/admin/resources/{self.resource()}/messages/{message_id}")
        return found

    def messages(self, direction: str = "outbound") -> list[dict[str, Any]]:
        """Return every message."""
        path: str | None = f"/admin/resources/{self.resource()}/messages?top=500&direction={direction}"
        found: list[dict[str, Any]] = []
        while path is not None:
            page = self.admin(path)
            found += page["value"]
            path = page.get("nextLink")
        return found

    def wait_for_state(self, message_id: str, *states: str, seconds: float = 30.0) -> dict[str, Any]:
        """Return a message once it is in one of the states."""
        until = time.monotonic() + seconds
        while True:
            view = self.message(message_id)
            if view["message"]["state"] in states:
                return view
            assert time.monotonic() < until, view
            time.sleep(0.02)

    def children(self) -> dict[str, int]:
        """Return the pids of the node's processes by name."""
        assert self.process is not None
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        found = {}
        for pid in listed:
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if b"tandem" in arguments:
                found[arguments[arguments.index(b"tandem") + 1].decode()] = int(pid)
        return found

    def kill(self, name: str) -> None:
        """End one of the node's processes as the kernel would: without a word."""
        os.kill(self.children()[name], signal.SIGKILL)

    def kill_supervisor(self) -> None:
        """End the supervisor without a word, and wait until its children have followed it."""
        assert self.process is not None
        children = self.children().values()
        descriptors = [os.pidfd_open(pid) for pid in children]
        self.process.kill()
        self.process.wait()
        for descriptor in descriptors:
            signal_when_gone(descriptor)

    def stop(self, number: int = signal.SIGINT) -> int:
        """Stop as Ctrl-C does, and return the exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()  # its children follow it
            self.process.wait()
            raise


def signal_when_gone(descriptor: int) -> None:
    """Wait until the process behind a pidfd has ended."""
    import select

    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    assert poll.poll(60_000), "a child outlived the supervisor"
    os.close(descriptor)


@contextmanager
def node(data: Path, *settings: str) -> Iterator[Node]:
    """Run a node for the length of a `with` block.

    At its end every message that it routed must have gone where an explanation says.
    """
    running = Node(data, *settings)
    try:
        running.start()
        yield running
        if running.health().get("ready"):
            assert_explained(running)
    finally:
        running.stop()


def free_ports(count: int) -> list[int]:
    """Return ports that were free a moment ago."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def environment() -> dict[str, str]:
    """Return the environment without any TANDEM_ setting of whoever runs the tests."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TANDEM_")}
