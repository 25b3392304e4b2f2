"""The share of one sender in what waits: asked of the store seldom, counted in between."""

import pytest

from sms.settings import SmsSettings
from sms.shares import LIMIT, REFRESH_SECONDS, Shares
from telephony.kernel.errors import LimitReached
from telephony.kernel.store import Store
from tests.support.sms import CARRIER, NUMBER, PEER, Plane, plane

pytestmark = pytest.mark.wire


class Waiting:
    """What a dispatcher says that waits."""

    def __init__(self) -> None:
        self.count = 0

    def of(self, carrier: str) -> int:
        return self.count


def shares_of(on: Plane, waiting: Waiting, percent: int = 50) -> Shares:
    settings = SmsSettings(max_backlog=4, sender_backlog_percent=percent)
    return Shares(store=on.store, clock=on.clock, node=on.node, settings=settings, backlog=waiting.of)


async def refused(shares: Shares, sender: str = NUMBER) -> bool:
    try:
        await shares.check(CARRIER, sender, 2.0)
    except LimitReached:
        return True
    return False


async def test_messages_in_the_store_count_for_their_sender_alone(store: Store) -> None:
    on, waiting = await plane(store), Waiting()
    shares = shares_of(on, waiting)
    await on.send("Hello", PEER, PEER)
    assert not await refused(shares)  # so little waits that nobody has too much
    waiting.count = 2
    assert await refused(shares)
    with pytest.raises(LimitReached, match=LIMIT) as told:
        await shares.check(CARRIER, NUMBER, 2.0)
    assert (told.value.limit, told.value.retry_after) == (LIMIT, 2.0)
    assert not await refused(shares, "+14255550177")
    assert not await refused(shares_of(on, waiting, percent=100))


async def test_what_is_accepted_counts_at_once_and_what_was_sent_a_little_later(sqlite_store: Store) -> None:
    on, waiting = await plane(sqlite_store), Waiting()
    shares = shares_of(on, waiting)
    waiting.count = 2
    assert not await refused(shares)  # others' messages
    shares.add(CARRIER, NUMBER, 2)
    assert await refused(shares)
    on.clock.advance(REFRESH_SECONDS)
    assert not await refused(shares)  # the store has none of them


async def test_when_little_waits_again_nothing_is_remembered(sqlite_store: Store) -> None:
    on, waiting = await plane(sqlite_store), Waiting()
    shares = shares_of(on, waiting)
    waiting.count = 2
    assert not await refused(shares)
    shares.add(CARRIER, NUMBER, 2)
    waiting.count = 1
    assert not await refused(shares)
    waiting.count = 2
    assert not await refused(shares)
