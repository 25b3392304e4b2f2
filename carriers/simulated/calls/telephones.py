"""The carrier's telephones as people and programs use them: placed by a few words, told of as plain data."""

import asyncio
from typing import Annotated, Final

import structlog
from msgspec import Meta, Struct, field

from carriers.simulated.calls.exchange import Call, Exchange
from telephony.kernel.clock import Clock
from telephony.kernel.e164 import shorten

log = structlog.get_logger(__name__)

SHOWN: Final = 200
"""Calls that `list` tells of: those that go on, and the last ones that are over."""

ANSWER_SECONDS: Final = 60.0
"""How long a telephone lets the other side ring."""

QUIET_DBM0: Final = -50.0
"""Below this nothing was heard."""

Number = Annotated[str, Meta(min_length=1, max_length=20, pattern=r"^\+?[0-9*#]+$")]


class Asked(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A call that a telephone of this carrier makes."""

    sender: Number = field(name="from", default="+12065550199")
    to: Number
    hertz: Annotated[float, Meta(ge=300, le=3400)] = 425.0
    """The tone that it plays."""
    digits: Annotated[str, Meta(max_length=32, pattern=r"^[0-9*#A-D]*$")] = ""
    """What it presses once it was answered."""
    seconds: Annotated[float, Meta(gt=0, le=600)] = 2.0
    """How long it talks before it hangs up."""


class Told(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """A call as one of its two sides has it."""

    call_id: str
    number: str
    """The telephone's."""
    peer: str
    state: str
    status: int
    reason: str = ""
    provisional: tuple[int, ...] = ()
    heard_hertz: float = 0.0
    """The strongest frequency of the last half second that it heard; 0: nothing was heard."""
    heard_dbm0: float = 0.0
    digits: str = ""
    """What it was sent by RFC 4733."""
    infos: str = ""
    """What it was sent by INFO."""
    received: int = 0
    """Packets of RTP."""
    sent: int = 0


class Telephones:
    """Runs between `start` and `stop`."""

    def __init__(self, host: str, port: int, node: tuple[str, int], *, clock: Clock) -> None:
        """`port` is of SIP over UDP, `node` where the node takes calls."""
        self._exchange = Exchange(host)
        self._wanted, self._node, self._clock = port, node, clock
        self._exchange.on_call = self._came

    @property
    def port(self) -> int:
        """UDP port of SIP."""
        return self._exchange.port

    async def start(self) -> None:
        """Listen. Raises OSError for a port that is taken."""
        await self._exchange.start(self._wanted)

    async def stop(self) -> None:
        """Put every receiver down, telling nobody."""
        await self._exchange.stop()

    async def place(self, asked: Asked) -> Told:
        """Call a number of the node's, talk, hang up; return what became of it and what was heard."""
        placing = self._exchange.call(asked.to, self._node, sender=asked.sender, hertz=asked.hertz)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                call = await placing
        except TimeoutError:
            return Told("", asked.sender, asked.to, "over", 408, "no answer")
        if call.state == "up":
            if asked.digits:
                call.rtp.press(asked.digits)
            try:
                async with asyncio.timeout(asked.seconds):
                    await call.until("over")
            except TimeoutError:
                told = _told(call)
                await self._exchange.hang_up(call)
                self._log(call)
                return told
        self._log(call)
        return _told(call)

    def list(self) -> tuple[Told, ...]:
        """Return the calls that go on, and the last ones that are over, the newest last."""
        over = self._exchange.over[-SHOWN:]
        return tuple(_told(call) for call in (*over, *list(self._exchange.calls.values())[-SHOWN:]))

    def _came(self, call: Call) -> None:
        log.info("carrier.call", number=shorten(call.number), peer=shorten(call.peer))

    def _log(self, call: Call) -> None:
        log.info(
            "carrier.called",
            number=shorten(call.number),
            peer=shorten(call.peer),
            state=call.state,
            status=call.status,
        )


def _told(call: Call) -> Told:
    hertz, level = call.hears()
    heard = level > QUIET_DBM0
    return Told(
        call.call_id,
        call.number,
        call.peer,
        call.state,
        call.status,
        call.reason,
        tuple(call.provisional),
        hertz if heard else 0.0,
        round(level, 1) if heard else 0.0,
        call.rtp.digits,
        call.infos,
        call.rtp.received,
        call.rtp.sent,
    )
