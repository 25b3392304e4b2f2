"""A control connection that is kept: requests and their answers, events, coming back after the other's end.

Both of a node's media processes are spoken to in this way, each in its `Dialect`.
"""

import asyncio
import itertools
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec
import structlog

from sip.media.channel import Channel
from sip.media.framing import Malformed, Received
from telephony.kernel.errors import NodeError, Unavailable

log = structlog.get_logger(__name__)

ASK_SECONDS: Final = 2.0
"""How long an answer may take: an engine answers within 10 ms, whatever its load."""

BEAT_SECONDS: Final = 1.0
"""How often a connection that is idle is tried, and the load asked for."""

FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 1.0
"""Between tries to connect; they double."""

MAX_ASKED: Final = 10_000
"""Requests without an answer: more than a node has calls."""


class MediaAway(Unavailable):
    """A media process does not run, is being restarted, or does not answer."""

    metric = "media_away"


class MediaFull(Unavailable):
    """No media process takes more."""

    metric = "media_full"


class MediaRefused(NodeError):
    """A media process did not carry out a request; `refusal` is the reason in its protocol's words."""

    metric = "media_refused"

    def __init__(self, message: str, *, refusal: str) -> None:
        super().__init__(message)
        self.refusal = refusal


@dataclass(frozen=True, slots=True)
class Greeting:
    """What the answer to a hello says of the other side."""

    start: str
    """Name of this start of the process."""
    welcome: Any


@dataclass(frozen=True, slots=True)
class Dialect:
    """A control protocol, as far as a client has to know it."""

    frame: Any
    """The union of its frames."""
    request: Callable[[int, Any], msgspec.Struct]
    answer: type[Any]
    told: type[Any]
    refused: type[Any]
    hello: Callable[[str], msgspec.Struct]
    """A hello of an owner of that name."""
    greeting: Callable[[Any], Greeting | None]
    """What a reply to the hello says; None: it is no welcome."""
    beat: msgspec.Struct
    """A request that is harmless: its answers go to `Watcher.beat`."""
    full: frozenset[str]
    """Refusals that mean `MediaFull`."""


class Watcher(Protocol):
    """What the owner of a client is told, in order and at once."""

    def event(self, client: "ControlClient", event: Any, descriptors: Sequence[int]) -> None:  # noqa: ANN401
        """Something happened; whoever takes descriptors closes them."""
        ...

    def beat(self, client: "ControlClient", reply: Any) -> None:  # noqa: ANN401
        """The answer to the dialect's `beat`."""
        ...

    def back(self, client: "ControlClient", *, fresh: bool) -> None:
        """It is connected; `fresh` tells that this start of the process was not known."""
        ...

    def away(self, client: "ControlClient", reason: str) -> None:
        """The connection ended; what the other side holds may still be there."""
        ...

    def lost(self, client: "ControlClient") -> None:
        """That start of the process is gone with everything it held."""
        ...


class ControlClient:
    """A client of one process. `start` returns at once; the connection is made, and made again, behind it."""

    def __init__(self, name: str, path: Path, *, owner: str, dialect: Dialect, watcher: Watcher) -> None:
        """`name` is for people; `path` the process's socket; `owner` what its things are kept under."""
        self.name = name
        self.path = path
        self._owner, self._dialect, self._watcher = owner, dialect, watcher
        self._ids = itertools.count(1)
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._channel: Channel[Any] | None = None
        self._greeting: Greeting | None = None
        self._ended = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """Whether requests can be made."""
        return self._channel is not None and self._greeting is not None and not self._ended.is_set()

    @property
    def welcome(self) -> Any:  # noqa: ANN401 - of the dialect's type
        """What the process said of itself. Raises MediaAway while it is not connected."""
        if self._greeting is None or not self.connected:
            raise MediaAway(f"The media process {self.name} is not connected.")
        return self._greeting.welcome

    def start(self) -> None:
        """Begin to keep a connection."""
        self._task = asyncio.create_task(self._keep(), name=f"media-{self.name}")

    async def stop(self) -> None:
        """Close; what the other side holds stays there. Works twice."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if self._channel is not None:
            self._channel.close()

    async def ask(
        self,
        command: msgspec.Struct,
        descriptors: Sequence[int] = (),
        *,
        seconds: float = ASK_SECONDS,
    ) -> Any:  # noqa: ANN401 - the dialect says which
        """Ask for something and return the reply. Descriptors stay the caller's.

        Raises MediaAway when there is no connection or no answer within `seconds`: then it may have been done
        or not; asking once more with the same names does no harm. Raises MediaFull and MediaRefused.
        """
        if not self.connected:
            raise MediaAway(f"The media process {self.name} is not connected.")
        return await self._ask(command, descriptors, seconds)

    async def _ask(self, command: msgspec.Struct, descriptors: Sequence[int], seconds: float) -> Any:  # noqa: ANN401
        channel = self._channel
        if channel is None or len(self._asked) >= MAX_ASKED:
            raise MediaAway(f"The media process {self.name} does not answer.")
        number = next(self._ids) & 0xFFFF_FFFF
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        try:
            channel.send(self._dialect.request(number, command), descriptors)
            async with asyncio.timeout(seconds):
                reply = await answer
        except TimeoutError:
            raise MediaAway(f"The media process {self.name} does not answer.") from None
        finally:
            self._asked.pop(number, None)
        if isinstance(reply, self._dialect.refused):
            if reply.reason in self._dialect.full:
                raise MediaFull(reply.text)
            raise MediaRefused(reply.text, refusal=str(reply.reason))
        return reply

    async def _keep(self) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                connected = await self._connect()
            except OSError as error:
                if self._greeting is not None and isinstance(
                    error, ConnectionRefusedError | FileNotFoundError
                ):  # nobody listens: that process has ended
                    self._greeting = None
                    self._tell("lost", self)
            else:
                if await self._serve(connected):
                    pause = FIRST_PAUSE
                    continue
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _connect(self) -> socket.socket:
        connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        connected.setblocking(False)
        try:
            async with asyncio.timeout(ASK_SECONDS):
                await asyncio.get_running_loop().sock_connect(connected, os.fspath(self.path))
        except BaseException:
            connected.close()
            raise
        return connected

    async def _serve(self, connected: socket.socket) -> bool:
        """Be connected until that ends; tell whether it ever was."""
        self._ended.clear()
        welcomed = False
        reasons: list[str] = []

        def ended(reason: str) -> None:
            reasons.append(reason)
            self._ended.set()
            for answer in self._asked.values():
                if not answer.done():
                    answer.set_exception(MediaAway(f"The media process {self.name} is gone: {reason}."))
                    answer.exception()  # seen, also when nobody waits any more
            self._asked.clear()

        channel = self._channel = Channel(connected, self._dialect.frame, frame=self._take, ended=ended)
        try:
            known = self._greeting
            greeting = await self._greet()
            welcomed, self._greeting = True, greeting
            fresh = known is None or known.start != greeting.start
            if fresh and known is not None:
                self._tell("lost", self)
            self._tell("back", self, fresh=fresh)
            await self._beat()
        except (MediaAway, MediaRefused, MediaFull) as error:
            if not welcomed:
                log.warning("media.no_welcome", process=self.name, reason=error.message)
            reasons.append(error.message)
        finally:
            channel.close()
            self._channel = None
            if welcomed and self._task is not None:  # whoever stops us knows
                self._tell("away", self, reasons[0] if reasons else "closed")
        return welcomed

    async def _greet(self) -> Greeting:
        reply = await self._ask(self._dialect.hello(self._owner), (), ASK_SECONDS)
        greeting = self._dialect.greeting(reply)
        if greeting is None:
            raise MediaAway(f"The media process {self.name} answered a hello with {type(reply).__name__}.")
        return greeting

    async def _beat(self) -> None:
        """Ask how it is until the connection ends."""
        while not self._ended.is_set():
            reply = await self._ask(self._dialect.beat, (), ASK_SECONDS)
            self._tell("beat", self, reply)
            with suppress(TimeoutError):
                async with asyncio.timeout(BEAT_SECONDS):
                    await self._ended.wait()

    def _take(self, received: Received[Any]) -> None:
        value = received.value
        kept: Sequence[int] = received.descriptors
        if isinstance(value, self._dialect.told):
            self._tell("event", self, value.event, kept)
            return
        for descriptor in kept:
            os.close(descriptor)
        if isinstance(value, self._dialect.answer):
            answer = self._asked.get(value.id)
            if answer is not None and not answer.done():
                answer.set_result(value.reply)
        else:
            text = value.text if isinstance(value, Malformed) else "not for clients"
            log.warning("media.unreadable", process=self.name, reason=text)

    def _tell(self, what: str, *arguments: Any, **options: Any) -> None:  # noqa: ANN401
        """Tell the watcher; its mistakes must not end the connection."""
        try:
            getattr(self._watcher, what)(*arguments, **options)
        except Exception:
            log.exception("media.watcher_failed", process=self.name, told=what)
