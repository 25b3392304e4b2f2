"""A worker that is asked whether it is alive, and says so, has its calls still."""

from pathlib import Path

import pytest

from sip.workers.client import WorkerClient
from sip.workers.messages import Event, Pong, Ready

pytestmark = pytest.mark.unit


class Watcher:
    def __init__(self) -> None:
        self.told: list[str] = []

    def worker_back(self, number: int, ready: Ready, *, fresh: bool) -> None:
        self.told.append("back")

    def worker_event(self, number: int, event: Event) -> None:
        self.told.append("event")

    def worker_settled(self, number: int) -> None:
        self.told.append("settled")

    def worker_away(self, number: int) -> None:
        self.told.append("away")

    def worker_lost(self, number: int) -> None:
        self.told.append("lost")


async def test_its_answer_is_no_second_greeting_after_which_its_calls_would_count_as_lost() -> None:
    watcher = Watcher()
    client = WorkerClient(0, Path("/nowhere"), host="127.0.0.1", port=0, watcher=watcher)
    client._take(Ready(0, 1, 5060, 4))
    client._take(Pong())
    await client.stop()
    assert watcher.told == ["back", "settled"]
