"""The client of a media process: answers, events, a process that ends, hangs or talks nonsense."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from sip.media import protocol
from sip.media.client import control
from sip.media.client.control import ControlClient, MediaAway, MediaFull, MediaRefused
from sip.media.client.engines import DIALECT, Engines
from sip.media.clips import is_sealed, make_clip
from tests.support.media_fakes import FakeEngine, fake_engine

pytestmark = pytest.mark.wire


class Notes:
    """A watcher that writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self._changed = asyncio.Condition()

    def event(self, client: ControlClient, event: Any, descriptors: Sequence[int]) -> None:
        for descriptor in descriptors:
            os.close(descriptor)
        self.note(event)

    def beat(self, client: ControlClient, reply: Any) -> None:
        pass

    def back(self, client: ControlClient, *, fresh: bool) -> None:
        self.note("back, fresh" if fresh else "back")

    def away(self, client: ControlClient, reason: str) -> None:
        self.note("away")

    def lost(self, client: ControlClient) -> None:
        self.note("lost")

    # `Engines` tells in other words.

    def media_event(self, engine: str, event: Any) -> None:
        self.note((engine, event))

    def calls_lost(self, engine: str, calls: Sequence[str]) -> None:
        self.note((engine, tuple(calls)))

    def engine_back(self, engine: str, *, fresh: bool) -> None:
        self.note((engine, fresh))

    def note(self, what: Any) -> None:
        self.told.append(what)
        self._task = asyncio.ensure_future(self._notify())

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def until(self, *expected: Any, seconds: float = 5.0) -> None:
        """Wait until exactly this has been told."""
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(lambda: len(self.told) >= len(expected))
        assert self.told == list(expected)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "engine"


@pytest.fixture
def engine(path: Path) -> Iterator[FakeEngine]:
    with fake_engine(path) as running:
        yield running


@asynccontextmanager
async def connected(path: Path) -> AsyncIterator[tuple[ControlClient, Notes]]:
    notes = Notes()
    client = ControlClient("engine-0", path, owner="gateway", dialect=DIALECT, watcher=notes)
    client.start()
    try:
        await notes.until("back, fresh")
        yield client, notes
    finally:
        await client.stop()


async def test_each_request_gets_its_own_answer(path: Path, engine: FakeEngine) -> None:
    engine._reply = lambda command: protocol.Started(stream=int(command.tap))
    async with connected(path) as (client, _):
        replies = await asyncio.gather(
            *(client.ask(protocol.Tap(str(number), "/x", 8000)) for number in range(100))
        )
    assert [reply.stream for reply in replies] == list(range(100))


async def test_a_refusal_is_an_error_that_says_which(path: Path, engine: FakeEngine) -> None:
    engine._reply = lambda command: protocol.Refused(
        protocol.Refusal.FULL if isinstance(command, protocol.OpenRtp) else protocol.Refusal.UNKNOWN_LEG, "no"
    )
    async with connected(path) as (client, _):
        with pytest.raises(MediaFull):
            await client.ask(protocol.OpenRtp("leg"))
        with pytest.raises(MediaRefused) as refused:
            await client.ask(protocol.CloseLeg("leg"))
    assert refused.value.refusal == "unknown-leg"


async def test_a_clip_goes_as_sealed_memory(path: Path, engine: FakeEngine) -> None:
    samples = bytes(range(200)) * 2
    async with connected(path) as (client, _):
        for name in ("a", "b", "c"):
            descriptor = make_clip(name, samples)
            assert is_sealed(descriptor)
            await client.ask(protocol.PutClip(name, 8000, 200), (descriptor,))
            os.close(descriptor)
    assert [os.pread(each, 1000, 0) for each in engine.descriptors] == [samples] * 3
    with pytest.raises(PermissionError):
        os.pwrite(engine.descriptors[0], b"x", 0)


async def test_events_are_told_in_order(path: Path, engine: FakeEngine) -> None:
    events = [protocol.Digit("leg", digit, 100, inband=False, at=1) for digit in "123456"]
    async with connected(path) as (_, notes):
        for event in events:
            engine.tell(event)
        await notes.until("back, fresh", *events)


async def test_the_end_of_an_engine_is_told_within_a_second_and_the_next_one_is_found(path: Path) -> None:
    first = FakeEngine(path, name="first")
    async with connected(path) as (client, notes):
        first._reply = lambda _: None  # no answer
        asked = asyncio.ensure_future(client.ask(protocol.CloseLeg("other"), seconds=30))
        await asyncio.sleep(0)
        first.stop()
        async with asyncio.timeout(1.0):
            with pytest.raises(MediaAway):
                await asked
            await notes.until("back, fresh", "away", "lost")
        with pytest.raises(MediaAway):
            await client.ask(protocol.CloseLeg("leg"))
        with fake_engine(path, name="second"):
            await notes.until("back, fresh", "away", "lost", "back, fresh")
            assert await client.ask(protocol.CloseLeg("leg")) == protocol.Done()


async def test_an_engine_that_was_replaced_unseen_is_lost_too(path: Path) -> None:
    first = FakeEngine(path, name="first")
    async with connected(path) as (_, notes):
        with fake_engine(path, name="second"):  # its socket is another one at the same path
            first.hang_up()
            await notes.until("back, fresh", "away", "lost", "back, fresh")
            first.stop()


async def test_a_connection_that_broke_is_made_again_and_nothing_is_lost(
    path: Path, engine: FakeEngine
) -> None:
    async with connected(path) as (client, notes):
        engine.hang_up()
        await notes.until("back, fresh", "away", "back")
        assert await client.ask(protocol.CloseLeg("leg")) == protocol.Done()


async def test_an_engine_that_hangs_is_away(
    path: Path, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "ASK_SECONDS", 0.1)
    monkeypatch.setattr(control, "BEAT_SECONDS", 0.02)
    async with connected(path) as (_, notes):
        engine.load = None  # type: ignore[assignment]
        await notes.until("back, fresh", "away", "back", "away")


async def test_nonsense_is_skipped_and_too_long_a_frame_ends_the_connection(
    path: Path, engine: FakeEngine
) -> None:
    async with connected(path) as (client, notes):
        engine.send(b"\0\0\0\x03abc")
        assert await client.ask(protocol.CloseLeg("leg")) == protocol.Done()
        engine.send(b"\xff\xff\xff\xff")
        await notes.until("back, fresh", "away", "back")


async def test_a_watchers_mistake_does_not_end_the_connection(
    path: Path, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connected(path) as (client, notes):
        monkeypatch.setattr(notes, "event", lambda *_: 1 / 0)
        engine.tell(protocol.Speech("leg", 1))
        assert await client.ask(protocol.CloseLeg("leg")) == protocol.Done()


async def test_calls_go_to_engines_with_room_and_are_told_lost_with_them(tmp_path: Path) -> None:
    notes = Notes()
    paths = {name: tmp_path / name for name in ("a", "b")}
    engines = Engines(paths, owner="gateway", listener=notes)
    with pytest.raises(MediaFull, match="not connected: a, b"):
        engines.place("early")
    with fake_engine(paths["a"]) as a, fake_engine(paths["b"], reply=_full):
        engines.start()
        try:
            async with asyncio.timeout(5):
                while len(engines.loads) < 2:
                    await asyncio.sleep(0.01)
            places = {engines.place(f"call-{number}") for number in range(2)}
            assert places == {"a", "b"}
            with pytest.raises(MediaFull):
                await engines.ask("b", protocol.OpenRtp("leg"))
            assert [engines.place(f"more-{number}") for number in range(3)] == ["a"] * 3

            memory = make_clip("beep", b"12")
            for _ in range(2):
                await engines.give_clip("a", "beep", memory, rate=8000, samples=1)
            os.close(memory)
            assert sum(isinstance(command, protocol.PutClip) for command in a.asked) == 1

            del notes.told[:]
            a.stop()
            here = [call for call in ("call-0", "call-1") if engines.where(call) == "a"]
            await notes.until(("a", (*here, "more-0", "more-1", "more-2")))
            assert engines.restarts == 1
            assert "a" not in engines.loads
        finally:
            await engines.stop()


def _full(command: Any) -> Any:
    return protocol.Refused(protocol.Refusal.FULL, "no room")
