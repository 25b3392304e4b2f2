"""R35: a whole node whose database goes away under load, and comes back; counted by the carrier's journal."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import pytest
from structlog.testing import capture_logs

from carriers.simulated.journal import digest_of, read
from sms.outgoing import encoded
from tests.support.inside import inside
from tests.support.load import Load, outcome_of
from tests.support.node import Node, node
from tests.support.postgres import Postgres
from tests.support.promises import Report
from tests.support.scale import scale
from tests.support.tmpfs import small_disk

pytestmark = [pytest.mark.soak, pytest.mark.promise("R35")]

MESSAGES: Final = scale(150, 5_000)
RATE: Final = 200.0
BEFORE_SECONDS: Final = scale(0.4, 5.0)
AWAY_SECONDS: Final = scale(0.5, 10.0)
RECOVERY_SECONDS: Final = 5.0
WINDOW: Final = 100
"""Unanswered submit_sm on the one link."""


async def test_a_database_that_is_killed_under_load_costs_nothing_that_was_accepted(
    tmp_path: Path, postgres: Postgres, promise: Report
) -> None:
    name = postgres.create()
    try:
        with node(tmp_path / "var", *_settings(), f"database={postgres.url(name)}") as running:
            try:
                await _outage(
                    running, postgres.kill, postgres.start, "the database does not take writes", promise
                )
            finally:
                if postgres.process is None:
                    postgres.start()
    finally:
        postgres.drop(name)


async def test_a_full_disk_under_load_costs_nothing_that_was_accepted(
    tmp_path: Path, promise: Report
) -> None:
    with small_disk(tmp_path / "disk") as disk:
        # All of it on the one disk, the log too; only the carrier's journal is elsewhere: a witness stays.
        running = Node(disk.folder / "var", *_settings())
        running.keep_journal_at(tmp_path / "journal")
        running.start()
        try:
            words = "database or disk is full" if disk.mounted else "disk I/O error"
            await _outage(running, lambda: disk.fill(running), lambda: disk.free(running), words, promise)
        finally:
            running.stop()


async def test_a_gateway_that_starts_while_its_database_is_away_waits_for_it(
    tmp_path: Path, postgres: Postgres
) -> None:
    url = postgres.url(postgres.create())
    postgres.stop()
    try:
        async with AsyncExitStack() as stack:
            with capture_logs() as logs:
                running = asyncio.create_task(
                    stack.enter_async_context(inside(tmp_path / "var", database=url))
                )
                async with asyncio.timeout(20):
                    while "gateway.waits" not in [line["event"] for line in logs]:
                        await asyncio.sleep(0.01)
            assert logs[-1]["setting"] == "database"
            postgres.start()
            async with asyncio.timeout(RECOVERY_SECONDS):
                home = await running
            assert (await home.ask("GET", "/health/live")).status == 200
    finally:
        if postgres.process is None:
            postgres.start()


def _settings() -> tuple[str, ...]:
    return "log.level=warning", "http.rate=1000000"


async def _outage(
    running: Node, begin: Callable[[], None], end: Callable[[], None], words: str, promise: Report
) -> None:
    load = Load(running, MESSAGES, RATE)
    async with load.running() as sending:
        await asyncio.sleep(BEFORE_SECONDS)
        await asyncio.to_thread(begin)
        before = dict(load.accepted)
        assert before, "nothing was accepted before"
        async with asyncio.timeout(AWAY_SECONDS + 5):
            while not load.refused:
                await asyncio.sleep(0.01)
            # A full disk still takes a write now and then, where a file has room inside.
            while words not in " ".join((health := await asyncio.to_thread(running.health))["trouble"]):
                await asyncio.sleep(0.01)
        assert not health["ready"]
        await asyncio.sleep(AWAY_SECONDS)
        end()  # in this thread: PostgreSQL ends with the thread that started it
        seconds = await _recovered(running, load, before)
        await sending
    await asyncio.to_thread(running.wait_ready)
    outcome = await asyncio.to_thread(outcome_of, load)
    promise(
        accepted=outcome.accepted,
        refused=load.answers[503],
        lost=outcome.lost,
        duplicates=outcome.duplicates,
        unmarked=outcome.unmarked,
        **outcome.states,
        recovered_after_seconds=seconds,
    )
    for headers, body in load.refused:
        assert int(headers["Retry-After"]) >= 1
        assert headers["x-ms-error-code"] == body["error"]["code"] == "ServiceUnavailable"
        assert body["error"]["message"]
    assert seconds < RECOVERY_SECONDS
    assert (outcome.accepted, outcome.lost, outcome.foreign, outcome.unmarked) == (MESSAGES, 0, 0, 0)
    assert outcome.duplicates <= WINDOW


async def _recovered(running: Node, load: Load, before: dict[str, str]) -> float:
    """Return the seconds until what was accepted before has been sent, and more is accepted."""
    began = time.monotonic()
    known = load.answers[202]
    wanted = {digest_of(body) for text in before for body in encoded(text).bodies}
    async with asyncio.timeout(60):
        while load.answers[202] == known:
            await asyncio.sleep(0.01)
        while not wanted <= {entry.digest for entry in read(running.journal) if entry.kind == "submit"}:
            await asyncio.sleep(0.02)
    return time.monotonic() - began
