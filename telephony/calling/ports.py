"""What calls need of those who signal and carry audio, in their own words. `sip` implements them.

A leg's name is the calling plane's own for what it dials; for what comes, the implementation's. Audio needs
no word of the plane's to begin: whoever answers or dials a leg has its place in the engine already.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from telephony.calling.causes import Cause
from telephony.calling.failover import NO_RESPONSE_SECONDS
from telephony.calling.states import LegState
from telephony.kernel.ids import ResourceId
from telephony.numbers.store import OwnedNumber
from telephony.routing.decide import Witness
from telephony.routing.formats import USUAL, NumberFormats
from telephony.routing.inbound import Arrival, WayIn
from telephony.routing.ports import Attempt
from telephony.routing.voice import VoiceWays
from telephony.usage.limiter import CallAdmission


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
    heard_within: float = NO_RESPONSE_SECONDS
    """Seconds after which a leg to which nothing came back, not even 100, is given up: `Ended` with
    `unheard`. Whoever signals sees a 100, which is not told."""
    beside: str = ""
    """A leg that this one will be joined with: their audio is put in one place."""


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
    display: str = ""
    """What the caller calls itself."""


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


class Resumed(Struct, frozen=True):
    """A leg that was there before this process, found again: told once, before anything else of it."""

    leg: str
    state: LegState = LegState.UP
    codec: str = ""


LegEvent = Offered | Rang | Answered | Held | Pressed | Played | Silent | Ended | Resumed


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
        """Play a sound, or a prompt by its name or URL, to a leg; `Played` tells its end.

        `repeat` 0: until it is stopped. A play of the same name that goes on is replaced.
        """
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


# --- what calls need of carriers, numbers and limits --------------------------------------------------------


class TrunkFacts(Struct, frozen=True):
    """A trunk, as the choice among trunks needs it."""

    trunk: Trunk
    up: bool = True
    """Whether it can be reached now (R9)."""
    priority: int = 0
    """The lower goes first."""
    weight: int = 100
    """Share among trunks of one priority."""
    channels: int | None = None
    """Calls at once, both ways; None: no limit."""
    calls_per_second: float | None = None
    """New calls a second, both ways; None: no limit."""
    retry_on: frozenset[int] = frozenset()
    """Statuses after which another trunk is tried, beside the usual ones (R8)."""
    dtmf: str = "rfc4733"
    """How digits travel: `rfc4733`, `info` or `inband`."""
    diversion: str = "diversion"
    """How a call that is passed on names whom it was for: `none`, `diversion` or `history-info`."""
    emergency: bool = False
    """Whether emergency calls may go by it (R33)."""


class CarrierFacts(Struct, frozen=True):
    """A carrier, as calls need it. A resource's own SBCs are one by the name `resource:GUID`."""

    name: str
    trunks: tuple[TrunkFacts, ...] = ()
    channels: int | None = None
    calls_per_second: float | None = None
    formats: NumberFormats = USUAL
    """How it writes numbers."""


class Trunks(Protocol):
    """Knows carriers and their trunks. Quick: asked with every call."""

    def carrier(self, name: str) -> CarrierFacts | None:
        """Return a carrier; None: there is none of that name, or it has no trunk."""
        ...

    def carriers(self) -> Sequence[CarrierFacts]:
        """Return the operator's carriers that have trunks."""
        ...


class Numbers(Protocol):
    """Knows whose numbers are. `telephony.numbers.directory.NumberDirectory` is one."""

    async def find(self, number: str) -> OwnedNumber | None:
        """Return the number, or None when nobody owns it. Raises Unavailable."""
        ...


class WaysIn(Protocol):
    """Knows where calls that come go. `telephony.routing.router.Router` is one."""

    def inward(self, resource: ResourceId, arrival: Arrival, witness: Witness | None = None) -> WayIn:
        """Return where something for a resource's number goes."""
        ...


class WaysOut(Protocol):
    """Knows where calls go out. `telephony.routing.voice.VoiceRouter` is one."""

    def ways(self, attempt: Attempt, witness: Witness | None = None) -> VoiceWays:
        """Return where a call goes; raises nothing."""
        ...


class CallLimits(Protocol):
    """What may be called, and what it comes to. `telephony.usage.limiter.Limiter` is one."""

    def call(
        self, resource: ResourceId, carrier: str, caller: str, to: str, *, again: bool = False
    ) -> CallAdmission:
        """Return what is to be counted of a call to a number.

        `again`: by another carrier, so that it is not counted for its rate once more. Raises LimitReached and
        LimitForbids, naming the limit: then nothing is counted.
        """
        ...

    def call_own(self, resource: ResourceId, carrier: str, *, again: bool = False) -> CallAdmission:
        """Return what is to be counted of a call to a name at a resource's own SBC. Raises as `call`."""
        ...

    def call_in(self, resource: ResourceId, carrier: str, caller: str) -> CallAdmission:
        """Return what is to be counted of a call that came. Raises LimitForbids."""
        ...

    def emergency(self, resource: ResourceId) -> CallAdmission:
        """Return what is to be counted of an emergency call: nothing is refused (R33)."""
        ...


class Callers(Protocol):
    """Knows which numbers beside its own a resource may show (R31)."""

    def verified(self, resource: ResourceId, number: str) -> bool:
        """Tell whether somebody proved that the resource may show a number."""
        ...


class NobodyVerified:
    """Only own numbers are shown."""

    def verified(self, resource: ResourceId, number: str) -> bool:
        """See `Callers`."""
        return False
