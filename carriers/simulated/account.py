"""One account of the carrier's: decides what a submit_sm is answered and what follows. Pure.

No socket, no clock: times come in, a `Decision` goes out.
"""

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from carriers.simulated.deliveries import Delivery, from_handset, payload_of, receipt, wants_receipt
from carriers.simulated.outcomes import ECHO, Outcome, Reply, outcome_of
from carriers.simulated.profiles import Profile, Rate
from carriers.simulated.reassembly import Reassembly
from sms.smpp.constants import CommandStatus, EsmClass, Npi, Ton
from sms.smpp.pdu import SubmitSm
from sms.text import decode, segment
from telephony.kernel.clock import SECOND

MAX_TRIED: Final = 10_000
"""Messages whose tries are counted; beyond, the oldest is forgotten."""

MAX_ECHO: Final = 2_000
"""Characters that an echo repeats: with what stands before it, it must not need more than 255 parts."""

Address = tuple[int, int, str]
"""Type of number, numbering plan, digits."""


class Decision(Struct, frozen=True):
    """What to do about a submit_sm."""

    status: int
    message_id: str = ""
    """Empty when it is refused."""
    answered: bool = True
    """Whether the response is sent."""
    before: tuple[Delivery, ...] = ()
    """What is sent before the response."""
    after: tuple[Delivery, ...] = ()
    """What is sent after it."""
    late: tuple[Delivery, ...] = ()
    """What is sent after `SimulatedSettings.slow_seconds`."""


_THROTTLED: Final = Decision(CommandStatus.ESME_RTHROTTLED)


class Account:
    """An account's messages."""

    def __init__(
        self,
        profile: Profile,
        next_id: Callable[[], str],
        *,
        per_second: float | None,
        mono: float,
        slow: float,
    ) -> None:
        """`next_id` gives ids that are unique in the whole carrier; `mono` is the monotonic time now."""
        self.profile = profile
        rate = per_second or profile.per_second
        self._rate = Rate(rate, mono) if rate else None
        self._next_id = next_id
        self._slow = round(slow * SECOND)
        self._tried: dict[tuple[str, str, bytes], int] = {}
        self._reassembly = Reassembly()
        self._reference = 0

    def submit(self, pdu: SubmitSm, now: int, mono: float) -> Decision:
        """Decide about a submit_sm that came at `now` (microseconds, UTC) and `mono` (seconds)."""
        if self._rate is not None and not self._rate.take(mono):
            return _THROTTLED
        outcome = outcome_of(pdu.destination_addr)
        answered = True
        if outcome.refused_tries or outcome.lost_responses:
            tried = self._count_try(pdu, max(outcome.refused_tries, outcome.lost_responses))
            if tried < outcome.refused_tries:
                return Decision(outcome.refusal)
            answered = tried >= outcome.lost_responses
        message_id = self._next_id()
        receipts = self._receipts(pdu, outcome, message_id, now)
        replies = self._replies(pdu, outcome)
        if outcome.slow:
            return Decision(0, message_id, answered, after=replies, late=receipts)
        if outcome.receipt_first or self.profile.receipt_first:
            return Decision(0, message_id, answered, before=receipts, after=replies)
        return Decision(0, message_id, answered, after=receipts + replies)

    def from_handset(self, text: str, source: Address, destination: Address) -> tuple[Delivery, ...]:
        """Return the parts of a text that somebody sends to one of the account's numbers.

        Raises what `sms.text.segment` raises.
        """
        self._reference = (self._reference + 1) & 0xFF
        message_id = self._next_id()
        return tuple(
            from_handset(part, source, destination, message_id) for part in segment(text, self._reference)
        )

    def _receipts(self, pdu: SubmitSm, outcome: Outcome, message_id: str, now: int) -> tuple[Delivery, ...]:
        if not outcome.receipts or not wants_receipt(pdu.registered_delivery, outcome.end):
            return ()
        done = now + self._slow if outcome.slow else now
        return tuple(receipt(pdu, message_id, outcome.end, now, done) for _ in range(outcome.receipts))

    def _replies(self, pdu: SubmitSm, outcome: Outcome) -> tuple[Delivery, ...]:
        """Return what the handset sends back; nothing to a sender that is a name."""
        if outcome.reply is Reply.NONE or pdu.source_addr_ton == Ton.ALPHANUMERIC:
            return ()
        udhi = bool(pdu.esm_class & EsmClass.UDHI)
        text = self._reassembly.add(
            (pdu.source_addr, pdu.destination_addr), decode(payload_of(pdu), pdu.data_coding, udhi)
        )
        if text is None:
            return ()
        answer = "STOP" if outcome.reply is Reply.STOP else ECHO + text[:MAX_ECHO]
        return self.from_handset(
            answer,
            (pdu.dest_addr_ton, pdu.dest_addr_npi, pdu.destination_addr),
            (pdu.source_addr_ton, pdu.source_addr_npi, pdu.source_addr),
        )

    def _count_try(self, pdu: SubmitSm, needed: int) -> int:
        """Return how often this very message was tried before; it is forgotten once it had `needed` tries."""
        key = (pdu.source_addr, pdu.destination_addr, payload_of(pdu))
        tried = self._tried.pop(key, 0)
        if tried < needed:
            self._tried[key] = tried + 1
            if len(self._tried) > MAX_TRIED:
                del self._tried[next(iter(self._tried))]
        return tried


def address_of(number: str) -> Address:
    """Return a number as an SMPP address: `+` and digits are international E.164, anything else unknown."""
    if number.startswith("+"):
        return Ton.INTERNATIONAL, Npi.E164, number[1:]
    if number.isascii() and number.isdigit():
        return Ton.UNKNOWN, Npi.UNKNOWN, number
    return Ton.ALPHANUMERIC, Npi.UNKNOWN, number
