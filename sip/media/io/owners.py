"""To whom events go: owners, whether they are connected or not."""

from collections import deque

from sip.media.channel import Channel, ChannelFull
from sip.media.clips import Memory
from sip.media.io.protocol import MAX_KEPT, Event, Frame, RecordingProgress, Told


class Owner:
    """Whoever said hello under one name: its events reach it, now or at its next connection."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._channel: Channel[Frame] | None = None
        self._kept: deque[tuple[Event, Memory | None]] = deque(maxlen=MAX_KEPT)

    def tell(self, event: Event, memory: Memory | None = None) -> None:
        """Send an event, with a descriptor perhaps; keep it while nobody is there."""
        channel = self._channel
        if channel is not None and channel.open:
            try:
                channel.send(Told(event), () if memory is None else (memory.descriptor,))
            except ChannelFull as error:
                channel.close(error.message)
            else:
                return
        if not isinstance(event, RecordingProgress):  # that is news only
            self._kept.append((event, memory))

    def keep(self, event: Event) -> None:
        """Let an event wait for `catch_up`."""
        self._kept.append((event, None))

    def connect(self, channel: Channel[Frame]) -> None:
        """Send events there from now on; the connection before is closed, for an owner has one."""
        before, self._channel = self._channel, channel
        if before is not None and before is not channel:
            before.close("the owner connected again")

    def catch_up(self) -> None:
        """Send what was kept."""
        kept, self._kept = self._kept, deque(maxlen=MAX_KEPT)
        for event, memory in kept:
            self.tell(event, memory)
