"""Digits towards peers: a queue a leg, by RFC 4733 or as tones, and digits from them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from sip.media.engine.intake import HEADER, Taken
from sip.media.engine.legs import NO_PAYLOAD_TYPE, Leg, Legs
from sip.media.engine.mouths import Mouths
from sip.media.engine.packets import Inbox
from sip.media.engine.plays import Playing, ProgrammeSound
from sip.media.engine.sender import Sender
from sip.media.kernels.tones import dial
from sip.media.protocol import Digit, Event, PlayFinished, SendDigits
from sip.media.rtp.events import EventReceiver, EventSender

if TYPE_CHECKING:
    from sip.media.engine.bridges import Bridge

MAX_WAITING: Final = 16
"""Orders that wait at one leg."""
TWIST: Final = 2.0
"""dB by which the high tone is louder: lines weaken it more (ITU-T Q.23, Q.24)."""
TICKS_A_SWEEP: Final = 10
"""Looks for events whose end was lost: each 50 ms."""


class DigitsSound(ProgrammeSound):
    """Digits as tones (ITU-T Q.23)."""

    def __init__(self, digits: str, tone_ms: int, gap_ms: int) -> None:
        super().__init__(dial(digits, tone_ms, gap_ms, twist=TWIST), 1)


@dataclass(eq=False)
class Order:
    """Digits that were asked for."""

    play: str
    command: SendDigits
    inband: bool


class Digits:
    """Every leg's digits, both ways."""

    def __init__(
        self,
        legs: Legs,
        sender: Sender,
        mouths: Mouths,
        tell: Callable[[str, Event], None],
        touched: "Callable[[Leg | Bridge | None], None]",
    ) -> None:
        self._legs = legs
        self._sender = sender
        self._mouths = mouths
        self._tell = tell
        self._touched = touched
        self._receiver = EventReceiver(legs.capacity)
        self._senders = [EventSender() for _ in range(4)]
        self._waiting: dict[int, list[Order]] = {}
        self.holds: NDArray[np.bool_] = np.zeros(legs.capacity, np.bool_)
        """Legs that are being sent an event now, instead of audio."""
        self._ticks = 0

    def take(self, taken: Taken, inbox: Inbox) -> None:
        """Take packets of events."""
        pressed = self._receiver.process(
            taken.slots,
            taken.stamps,
            taken.marker,
            inbox.data[taken.rows, : HEADER + 4],
            np.full(len(taken), HEADER, np.intp),
            taken.octets,
            taken.arrived_us,
        )
        for one in pressed:
            self._pressed(one.row, one.digit, one.ms, one.at_us)

    def send(self, leg: Leg, command: SendDigits) -> bool:
        """Queue digits; False: too many wait."""
        waiting = self._waiting.setdefault(leg.slot, [])
        if len(waiting) >= MAX_WAITING:
            return False
        takes = int(self._legs.event_type[leg.slot]) != NO_PAYLOAD_TYPE
        inband = not takes if command.inband is None else command.inband
        waiting.append(Order(command.play, command, inband or not takes))
        leg.digits = waiting
        if len(waiting) == 1:
            self._begin(leg, waiting[0])
        self._touched(leg)
        return True

    def tick(self, phase: int, now_us: int) -> None:
        """Send the packets of legs of this phase that are due."""
        self._ticks += 1
        if self._ticks % TICKS_A_SWEEP == 0:
            for one in self._receiver.tick(now_us):
                self._pressed(one.row, one.digit, one.ms, one.at_us)
        events = self._senders[phase]
        sending = events.sending()
        if not sending:
            return
        legs = self._legs
        for slot in sending:
            self._mouths.start(slot, now_us)
            self.holds[slot] = False
        packets, done = events.due(self._mouths.stamps)
        self.holds[packets.rows] = True
        for index, slot in enumerate(packets.rows.tolist()):
            row = packets.rows[index : index + 1]
            if not legs.remote[slot]:
                continue
            self._sender.send(
                row,
                packets.payload[index : index + 1],
                legs.sequence[row] + 1,
                packets.timestamp[index : index + 1],
                legs.event_type[row],
                packets.marker[index : index + 1],
                now_us,
            )
        for slot in done:
            self.holds[slot] = False
            legs.marker[slot] = True
            self.finished(slot, "end")

    def finished(self, slot: int, reason: str) -> None:
        """The first order of a leg is over: tell it, begin the next."""
        leg, waiting = self._legs.records[slot], self._waiting.get(slot)
        if leg is None or not waiting:
            return
        order = waiting.pop(0)
        length = len(order.command.digits) * (order.command.tone_ms + order.command.gap_ms)
        self._tell(leg.owner, PlayFinished(order.play, reason, length))
        if waiting:
            self._begin(leg, waiting[0])
        else:
            del self._waiting[slot]
            leg.digits = []
        self._touched(leg)

    def stop(self, leg: Leg, play: str, reason: str) -> bool:
        """End an order, whether it waits or is being sent; tell whether there was one."""
        waiting = self._waiting.get(leg.slot, [])
        for index, order in enumerate(waiting):
            if order.play != play:
                continue
            if index:
                waiting.pop(index)
                self._tell(leg.owner, PlayFinished(play, reason, 0))
            else:
                self._senders[leg.slot % 4].stop(leg.slot)
                self.holds[leg.slot] = False
                leg.plays = [one for one in leg.plays if one.name != play]
                self.finished(leg.slot, reason)
            return True
        return False

    def forget(self, leg: Leg, reason: str) -> None:
        """Drop a leg."""
        for order in list(self._waiting.get(leg.slot, ())):
            self.stop(leg, order.play, reason)
        self._receiver.reset(np.array([leg.slot]))
        self.holds[leg.slot] = False

    def _begin(self, leg: Leg, order: Order) -> None:
        command = order.command
        if order.inband:
            sound = DigitsSound(command.digits, command.tone_ms, command.gap_ms)
            leg.plays.append(Playing(leg.owner, order.play, sound, 1, True, leg=leg))
        else:
            clock = self._legs.coding(leg.slot).clock
            self._senders[leg.slot % 4].send(
                leg.slot, command.digits, command.tone_ms, command.gap_ms, clock=clock
            )

    def _pressed(self, slot: int, digit: str, ms: int, at_us: int) -> None:
        leg = self._legs.records[slot]
        if leg is not None:
            self._tell(leg.owner, Digit(leg.name, digit, ms, False, at_us))
