"""What is claimed and not on the wire: parts that are ready, and parts that wait for another try. Pure.

Urgent parts leave first, the others in the order in which they came, also those that came back from a link:
a text's parts arrive in order, and nobody overtakes an older message by its being refused.
"""

import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Final, Protocol

from carriers.model.carrier import Carrier
from carriers.model.text import TextPolicy
from sms.address import USUAL, Addresses
from sms.message import Outbound
from sms.rates import UNLIMITED, Rates, Turns
from sms.smpp.constants import EsmClass, RegisteredDelivery
from sms.smpp.pdu import SubmitSm
from sms.text import BARE, Alphabet, Concat, Encoded, Envelope, Part, TextEncoder, TextTooLong, udh

_UDHI: Final = int(EsmClass.UDHI)
_RECEIPT: Final = int(RegisteredDelivery.RECEIPT)


class Encode(Protocol):
    """Turns a text, or octets, into what a carrier takes."""

    def __call__(self, body: str | bytes, envelope: Envelope | None = None, /) -> Encoded:
        """Return it cut into parts. Raises InvalidText, InvalidHeader or TextTooLong."""
        ...


SEPTETS: Final = 160
OCTETS: Final = 140
"""What one part has room for, its header included (3GPP TS 23.040 §9.2.3.24)."""

_PRIORITY_BITS: Final = 48
"""More parts than one process sends: every urgent one is before every other."""

REMEMBERED: Final = 512
"""Texts whose encoding is remembered for a carrier: one text often goes to many recipients."""


def _remembering(encoder: TextEncoder) -> Encode:
    def encode(body: str | bytes, envelope: Envelope | None = None) -> Encoded:
        if envelope is None and isinstance(body, str):
            return encoder.encode(body)
        return encoder.enclosed(body, envelope or BARE)

    return lru_cache(maxsize=REMEMBERED)(encode)


encoded: Final = _remembering(TextEncoder())
"""Encodes for a carrier that wants nothing special, and remembers."""


def encoder_for(carrier: Carrier) -> Encode:
    """Return what encodes texts as `carrier` wants them, and remembers."""
    if carrier.text == TextPolicy() and carrier.data_coding_default == "gsm":
        return encoded
    return _remembering(TextEncoder(carrier.text, carrier.data_coding_default))


class Unit:
    """A part of a message that wants to be sent."""

    __slots__ = ("again", "answers_before", "attempts", "avoid", "losses", "message", "order", "part")

    def __init__(self, message: Outbound, part: Part, order: int, again: str = "") -> None:
        self.message = message
        self.part = part
        self.order = order
        self.attempts = 0
        """Refusals and lost answers so far that were this part's own."""
        self.losses = 0
        """Connections that were lost one after the other while it was unanswered."""
        self.answers_before = 0
        """What the carrier had answered by the first of them: see `sms.suspicion`."""
        self.avoid = ""
        """The link that refused it last: another one is tried, if there is one."""
        self.again = again
        """Why the carrier may have it already; empty when it has not."""


class Outgoing:
    """Parts of claimed messages; times are monotonic seconds."""

    def __init__(self, encode: Encode = encoded, rates: Rates | None = None) -> None:
        """Take what turns texts into parts for the carrier, and how fast they may go."""
        self._encode = encode
        self._rates = rates if rates is not None and rates.limited else None
        self._turns: Turns[Unit] = Turns()
        self._turn: dict[str, Unit] = {}  # by sender: the part whose turn has come
        self._relieved: set[str] = set()  # senders of whom something left since it was asked
        self._ready: list[tuple[int, Unit]] = []
        self._later: list[tuple[float, int, Unit]] = []
        self._order = itertools.count()

    @property
    def ready(self) -> int:
        """How many parts could be sent now."""
        return len(self._ready)

    @property
    def later(self) -> int:
        """How many parts wait for another try."""
        return len(self._later)

    @property
    def next_try(self) -> float | None:
        """When the next of them is tried again, or the next sender's turn comes."""
        times = [self._later[0][0]] if self._later else []
        if self._turns.next_turn is not None:
            times.append(self._turns.next_turn)
        return min(times, default=None)

    def add(self, message: Outbound, again: str = "") -> list[Part]:
        """Take the parts of a message that its carrier is not known to have; return them.

        Raises InvalidText, InvalidHeader or TextTooLong for what no parts can carry.
        """
        extras = message.extras
        text = self._encode(message.text) if extras is None else self._encode(message.text, extras.envelope)
        parts = [part for part in _parts(text, message) if part.number not in message.done]
        for part in parts:
            order = next(self._order) - (message.priority << _PRIORITY_BITS)
            heapq.heappush(self._ready, (order, Unit(message, part, order, again)))
        return parts

    def take(self) -> Unit:
        """Return the oldest part that is ready."""
        return heapq.heappop(self._ready)[1]

    def give_back(self, unit: Unit) -> None:
        """Take a part back that is to be sent as soon as possible."""
        heapq.heappush(self._ready, (unit.order, unit))

    def try_later(self, unit: Unit, at: float) -> None:
        """Take a part back that is to be sent at a time."""
        heapq.heappush(self._later, (at, unit.order, unit))

    def ripen(self, now: float) -> None:
        """Make ready what waited long enough."""
        while self._later and self._later[0][0] <= now:
            self.give_back(heapq.heappop(self._later)[2])
        for sender, unit in self._turns.ripe(now):
            self._turn[sender] = unit
            self.give_back(unit)

    def may_go(self, link: str, unit: Unit, now: float) -> bool:
        """Tell whether the rates let a part go now, and count it; else it waits here for its turn."""
        if self._rates is None:
            return True
        sender = unit.message.own
        has_turn = self._turn.get(sender) is unit
        if not has_turn and self._turns.waits(sender):
            self._turns.wait(sender, unit, now)
            return False
        wait = self._rates.allow(link, sender, now)
        if wait > 0.0:
            self._turns.wait_first(sender, unit, now + wait)
        else:
            self._relieved.add(sender)
        if has_turn:
            self._pass_turn(sender, now + (wait or self._rates.sender_wait(sender, now)))
        return wait == 0.0

    def room(self, sender: str) -> int:
        """Return how many messages of a sender are worth claiming: what waits for its turn is claimed."""
        if self._rates is None:
            return UNLIMITED
        return self._rates.ahead(sender) - self._turns.waiting(sender) - (sender in self._turn)

    def take_relieved(self) -> set[str]:
        """Return the senders of whom something left since the last time."""
        relieved, self._relieved = self._relieved, set()
        return relieved

    def drop(self, unit: Unit, now: float) -> None:
        """Learn that a part that was taken will not go: the next of its sender's may."""
        if self._rates is not None:
            self._relieved.add(unit.message.own)
        if self._turn.get(unit.message.own) is unit:
            self._pass_turn(unit.message.own, now)

    def _pass_turn(self, sender: str, at: float) -> None:
        del self._turn[sender]
        self._turns.again(sender, at)

    def expired(self, now: int) -> list[Outbound]:
        """Return the messages here whose validity ran out (microseconds UTC)."""
        return [
            message
            for message in self.messages()
            if message.expires <= now and not message.over and not message.leaving
        ]

    def withdraw(self, fits: Callable[[Outbound], bool]) -> list[Unit]:
        """Take out and return the parts of messages that fit; what waits for its sender's turn stays."""
        waiting = {unit.message for unit in self._turns.items()} | {
            unit.message for unit in self._turn.values()
        }
        units = [unit for _, unit in self._ready] + [unit for _, _, unit in self._later]
        going = {unit.message for unit in units if unit.message not in waiting and fits(unit.message)}
        self._ready = [pair for pair in self._ready if pair[1].message not in going]
        self._later = [entry for entry in self._later if entry[2].message not in going]
        heapq.heapify(self._ready)
        heapq.heapify(self._later)
        return [unit for unit in units if unit.message in going]

    def messages(self) -> Iterator[Outbound]:
        """Return the messages that have parts here, each once."""
        units: Iterable[Unit] = itertools.chain(
            (unit for _, unit in self._ready), (unit for _, _, unit in self._later), self._turns.items()
        )
        return iter(dict.fromkeys(unit.message for unit in units))


def _parts(text: Encoded, message: Outbound) -> tuple[Part, ...]:
    if message.concat is None:
        return text.parts(message.reference())
    return (continued(text, message.concat),)


def continued(text: Encoded, concat: Concat) -> Part:
    """Return a text that is itself a part of one that its sender cut, tied to the others as the sender did.

    Raises TextTooLong when it does not fit into one part in the alphabet that the carrier takes.
    """
    wide = concat.wide or concat.reference > 0xFF
    header = udh.header_of(text.form.elements, concat.reference, concat.total, concat.number, wide=wide)
    septets = text.alphabet is Alphabet.GSM
    taken = -(-len(header) * 8 // 7) + len(text.bodies[0]) if septets else len(header) + len(text.bodies[0])
    if len(text.bodies) > 1 or taken > (SEPTETS if septets else OCTETS):
        raise TextTooLong("A part of a longer text must fit into one part.", target="message")
    return Part(1, 1, text.data_coding, True, header + text.bodies[0], text.form.tlvs)


def submit_sm(unit: Unit, addresses: Addresses = USUAL) -> SubmitSm:
    """Return a part as it goes on the wire to a carrier that wants its addresses so."""
    message, part = unit.message, unit.part
    source, destination = addresses.source(message.own), addresses.destination(message.peer)
    return SubmitSm(
        source_addr_ton=source.ton,
        source_addr_npi=source.npi,
        source_addr=source.digits,
        dest_addr_ton=destination.ton,
        dest_addr_npi=destination.npi,
        destination_addr=destination.digits,
        esm_class=_UDHI if part.udhi else 0,
        protocol_id=0 if message.extras is None else message.extras.protocol_id,
        priority_flag=message.priority,
        registered_delivery=_RECEIPT,
        data_coding=part.data_coding,
        short_message=part.payload,
        tlvs=part.tlvs,
    )
