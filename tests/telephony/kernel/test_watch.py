"""Keeping what was read of the store true."""

import asyncio

import pytest

from telephony.kernel.errors import Unavailable
from telephony.kernel.watch import REFRESH_SECONDS, Watch

pytestmark = pytest.mark.unit


class _Refreshed:
    """Counts, and fails as it is told."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0
        self.enough = asyncio.Event()

    async def __call__(self) -> None:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        self.enough.set()


@pytest.mark.parametrize("error", [Unavailable("The database is away."), RuntimeError("a mistake")])
async def test_an_error_ends_no_watch(error: Exception) -> None:
    refreshed = _Refreshed(error, error)
    watch = Watch("test.watch", refreshed, 0.0)
    watch.start()
    await asyncio.wait_for(refreshed.enough.wait(), 5)
    assert refreshed.calls >= 3
    await watch.stop()


async def test_nothing_is_refreshed_after_the_end_which_may_come_twice() -> None:
    refreshed = _Refreshed()
    watch = Watch("test.watch", refreshed, 0.0)
    await watch.stop()
    watch.start()
    await asyncio.wait_for(refreshed.enough.wait(), 5)
    await watch.stop()
    await watch.stop()
    calls = refreshed.calls
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert refreshed.calls == calls


def test_what_another_gateway_changed_is_known_within_seconds() -> None:
    assert REFRESH_SECONDS < 5
