"""A leg: a call of a worker and a place in an engine."""

import asyncio
from dataclasses import dataclass, field

from sip.legs.line import Line
from sip.legs.targets import Target
from sip.legs.trunks import TrunkFacts
from sip.media.protocol import Media
from sip.workers.messages import Credentials, Place, Remote, Side
from telephony.calling.ports import Dialled
from telephony.calling.states import INBOUND, OUTBOUND, LegEvent, LegState


@dataclass(eq=False, slots=True)
class Leg:
    """What is known of a leg. Its engine's name is the same."""

    name: str
    side: Side
    worker: int
    call: str
    """The worker's name of it."""
    place: Place
    line: Line
    facts: TrunkFacts | None
    state: LegState
    source: str = ""
    """The peer's signalling address, without a port; empty: not known."""
    told: bool = True
    """Whether the plane knows of it: an INVITE that is refused here is nobody's."""
    media: Media | None = None
    """What the engine was told last."""
    remote: Remote | None = None
    held: bool = False
    """Whether the peer holds us."""
    holding: bool = False
    """Whether we hold the peer."""
    bridge: str = ""
    echoes: bool = False
    detects: bool = False
    """Whether tones are listened for in the audio."""
    over: bool = False
    ending: bool = False
    """Whether we asked for its end."""
    timer: asyncio.TimerHandle | None = None
    """Until something has come back; later until an end has been confirmed."""
    # Of a leg that we dialled.
    dialled: Dialled | None = None
    heard: bool = False
    """Whether anything came back, 100 included."""
    attempt: int = 0
    targets: list[Target] = field(default_factory=list)
    """Where else it can be tried."""
    target: Target | None = None
    credentials: Credentials | None = None

    @property
    def up(self) -> bool:
        """Whether it was answered."""
        return self.state in {LegState.UP, LegState.HELD}

    @property
    def codec(self) -> str:
        """Name of the codec that was agreed; empty before."""
        return "" if self.remote is None else self.remote.codec.name

    def fire(self, event: LegEvent) -> bool:
        """Take an event; False when nothing can come of it in this state."""
        machine = OUTBOUND if self.side is Side.OUT else INBOUND
        if not machine.allows(self.state, event):
            return False
        self.state = machine.fire(self.state, event)
        return True

    def quiet(self) -> None:
        """Stop the timer."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
