"""A node with several carriers, all of them accounts of the simulated one."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.explained import assert_explained
from tests.support.node import START_SECONDS, Node

PROFILES: Mapping[str, str] = {
    "simulated": "plain",
    "backup": "plain",
    "broken": "out-of-service",
    "silent": "never-answers",
    "closed": "closed",
}
"""Carriers, and how each behaves."""


def add_carriers(running: Node, *names: str) -> None:
    """Give a node that is not started yet these carriers, each with a link of its own."""
    for name in names:
        link = f"carriers.{name}.smpp.{name}-1"
        for setting in (
            f"simulated.accounts.{name}.password={name[:8]}",
            f"simulated.accounts.{name}.profile={PROFILES[name]}",
            f"carriers.{name}.simulated=true",
            f"{link}.host=127.0.0.1",
            f"{link}.port={running.smsc_port}",
            f"{link}.system_id={name}",
            f"{link}.password={name[:8]}",
            f"{link}.response_seconds=0.3",
            f"{link}.reconnect_seconds=[0.05,0.1]",
        ):
            running.command += ["--set", setting]


@contextmanager
def several(data: Path, *names: str, settings: tuple[str, ...] = ()) -> Iterator[Node]:
    """Run a node with these carriers; `closed` is the only one that need not be bound."""
    running = Node(data, *settings)
    add_carriers(running, *names)
    try:
        running.start_unready()
        until = time.monotonic() + START_SECONDS
        while not _is_ready(running):
            assert time.monotonic() < until, running.output
            time.sleep(0.05)
        yield running
        assert_explained(running)
    finally:
        running.stop()


def _is_ready(running: Node) -> bool:
    found = running.health()
    return bool(found.get("ready")) and set(found.get("trouble", ())) <= {"link closed-1 is not bound"}


def put_routes(running: Node, *routes: dict[str, Any]) -> None:
    """Put these routes of texts in force."""
    version = running.admin("/admin/routes")["version"]
    named = [{"id": f"r{place}", "kind": "sms", **route} for place, route in enumerate(routes)]
    running.admin("/admin/routes", "PUT", {"set": {"routes": named}, "version": version})
