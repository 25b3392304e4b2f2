"""The shell around a session: how much of a long read is taken at a time."""

import asyncio
from typing import Any, cast

import pytest

from sms.smpp.connection import READ_OCTETS, Connection
from sms.smpp.events import Closed, Event
from sms.smpp.session import Session
from telephony.kernel.clock import SystemClock

pytestmark = pytest.mark.unit


class _Session:
    """Notes what it is given."""

    has_output = False

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.reason = ""

    def receive_data(self, data: bytes, now: float) -> list[Event]:
        self.taken.append(data)
        return []

    def connection_lost(self, reason: str) -> list[Event]:
        self.reason = reason
        return []

    def tick(self, now: float) -> list[Event]:
        return []

    def next_timeout(self) -> float | None:
        return None


class _Transport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.reading = True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return False


class _Quiet(Connection):
    def happened(self, event: Event) -> None:
        raise AssertionError(event)

    def ended(self, event: Closed) -> None:
        raise AssertionError(event)


def _connected() -> tuple[_Quiet, _Session, _Transport]:
    session, transport = _Session(), _Transport()
    connection = _Quiet(cast("Session", cast("Any", session)), SystemClock())
    connection.connection_made(transport)
    return connection, session, transport


async def _until(session: _Session, octets: int) -> None:
    async with asyncio.timeout(5):
        while sum(map(len, session.taken)) < octets:
            await asyncio.sleep(0)


async def test_a_short_read_is_taken_at_once() -> None:
    connection, session, transport = _connected()
    connection.data_received(b"a" * READ_OCTETS)
    assert session.taken == [b"a" * READ_OCTETS]
    assert transport.reading


async def test_a_long_read_is_taken_in_turns_and_nothing_is_read_meanwhile() -> None:
    connection, session, transport = _connected()
    data = bytes(range(256)) * (READ_OCTETS // 64) + b"end"
    connection.data_received(data)
    assert [len(piece) for piece in session.taken] == [READ_OCTETS]
    assert not transport.reading
    await _until(session, len(data))
    assert b"".join(session.taken) == data
    assert max(map(len, session.taken)) == READ_OCTETS
    assert transport.reading


async def test_what_was_on_its_way_comes_behind_the_rest() -> None:
    connection, session, _ = _connected()
    connection.data_received(b"a" * (READ_OCTETS + 1))
    connection.data_received(b"b" * READ_OCTETS)
    await _until(session, 2 * READ_OCTETS + 1)
    assert b"".join(session.taken) == b"a" * (READ_OCTETS + 1) + b"b" * READ_OCTETS


async def test_what_came_before_the_end_is_taken_before_the_end() -> None:
    connection, session, _ = _connected()
    connection.data_received(b"a" * (3 * READ_OCTETS))
    connection.connection_lost(None)
    assert sum(map(len, session.taken)) == 3 * READ_OCTETS
    assert session.reason == "connection lost"
    await asyncio.sleep(0)
    assert sum(map(len, session.taken)) == 3 * READ_OCTETS


async def test_a_peer_that_does_not_read_is_not_read_from_after_a_long_read_either() -> None:
    connection, session, transport = _connected()
    connection.data_received(b"a" * (READ_OCTETS + 1))
    connection.pause_writing()
    await _until(session, READ_OCTETS + 1)
    assert not transport.reading
    connection.resume_writing()
    assert transport.reading
