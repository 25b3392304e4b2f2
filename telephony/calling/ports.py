"""What calls need of those who signal and carry audio, in their own words. `sip` implements them.

A leg's name is the calling plane's own for what it dials; for what comes, the implementation's. Audio needs
no word of the plane's to begin: whoever answers or dials a leg has its place in the engine already.
"""

from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from telephony.calling.causes import Cause


class Trunk(Struct, frozen=True):
    """A way to a carrier, as a dialled leg needs it; the implementation looks the rest up by its names."""

    carrier: str
    name: str
    codecs: tuple[str, ...] = ()
    """Best first; empty: the node's."""


class Dialled(Struct, frozen=True):
    """A leg to be dialled."""

    leg: str
    trunk: Trunk
    number: str
    """As the carrier wants it."""
    sender: str
    """As the carrier wants it."""
    display: str = ""
    privacy: bool = False
    """Whether the caller wants not to be shown: P-Asserted-Identity goes, From does not tell (RFC 3323)."""
    headers: tuple[tuple[str, str], ...] = ()


class Quality(Struct, frozen=True):
    """How a leg sounded."""

    codec: str = ""
    lost: int = 0
    received: int = 0
    jitter_ms: float = 0.0
    round_trip_ms: float | None = None
    mos: float | None = None


# --- what legs tell -----------------------------------------------------------------------------------------


class Offered(Struct, frozen=True):
    """A leg came in, and waits for `ring`, `answer` or `hang_up`."""

    leg: str
    carrier: str
    """The carrier whose trunk it came by."""
    trunk: str
    number: str
    """Whom it is for, as the carrier wrote it."""
    caller: str
    """Who calls, as the carrier wrote it; empty when it does not say."""
    call_id: str
    headers: tuple[tuple[str, str], ...] = ()


class Rang(Struct, frozen=True):
    """A leg that we dialled got a provisional response."""

    leg: str
    status: int
    early: bool
    """Whether sound comes with it."""


class Answered(Struct, frozen=True):
    """A leg is up."""

    leg: str
    codec: str = ""


class Held(Struct, frozen=True):
    """A leg's peer holds us, or goes on."""

    leg: str
    on: bool


class Pressed(Struct, frozen=True):
    """A digit came, whichever way."""

    leg: str
    digit: str
    by: str
    """`rfc4733`, `info` or `inband`."""


class Played(Struct, frozen=True):
    """Something that played on a leg ended."""

    leg: str
    play: str
    reason: str


class Silent(Struct, frozen=True):
    """Nothing came from a leg for so long that it counts as gone (R15)."""

    leg: str


class Ended(Struct, frozen=True):
    """A leg is over."""

    leg: str
    cause: Cause
    quality: Quality = Quality()
    contact: str = ""
    """Where a 3xx wants it to go."""
    lost: bool = False
    """Whether its process died."""
    unheard: bool = False
    """Whether nothing came back at all, not even 100."""


LegEvent = Offered | Rang | Answered | Held | Pressed | Played | Silent | Ended


class Listener(Protocol):
    """Takes what legs tell, in order per leg, on the event loop; must not block."""

    def told(self, event: LegEvent) -> None:
        """Take an event."""
        ...


class Sound(StrEnum):
    """What can be played without a file."""

    RINGBACK = "ringback"
    BUSY = "busy"
    MUSIC = "music"


class NoRoom(Exception):
    """There is no worker, port or engine for another leg; nothing was begun."""


class Legs(Protocol):
    """Signals and carries legs. Nothing here waits for a peer; what becomes of it is told to the listener.

    Methods on a leg that is gone do nothing: its `Ended` is on its way.
    """

    async def dial(self, dialled: Dialled) -> None:
        """Dial a leg. Raises NoRoom."""
        ...

    async def ring(self, leg: str, *, early: bool = False) -> None:
        """Say 180, or 183 with sound, to a leg that came."""
        ...

    async def answer(self, leg: str) -> None:
        """Answer a leg that came."""
        ...

    async def hang_up(self, leg: str, status: int = 0, q850: int = 16) -> None:
        """End a leg: refuse it with a status, cancel it, or hang up, whichever fits its state."""
        ...

    async def join(self, legs: tuple[str, ...], bridge: str) -> None:
        """Let legs hear each other."""
        ...

    async def part(self, leg: str) -> None:
        """Take a leg out of its bridge."""
        ...

    async def play(self, leg: str, play: str, what: Sound | str, *, repeat: int = 1) -> None:
        """Play a sound, or a prompt by its name or URL, to a leg; `Played` tells its end."""
        ...

    async def stop(self, leg: str, play: str) -> None:
        """Stop something that plays."""
        ...

    async def echo(self, leg: str, *, on: bool = True) -> None:
        """Send a leg what it says."""
        ...

    async def press(self, leg: str, digits: str) -> None:
        """Send digits in the way that the leg's peer takes."""
        ...

    async def hold(self, leg: str, *, on: bool = True) -> None:
        """Hold a leg's peer, or go on."""
        ...
