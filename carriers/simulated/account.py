"""One account of the carrier's: decides what a submit_sm is answered and what follows. Pure.

No socket, no clock: times come in, a `Decision` goes out.
"""

from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from typing import Final

from msgspec import Struct

from carriers.simulated.deliveries import (
    Delivery,
    ReceiptWriter,
    concat_of,
    from_handset,
    payload_of,
    wants_receipt,
)
from carriers.simulated.outcomes import ECHO, End, Outcome, Reply, outcome_of
from carriers.simulated.plan import Plan, plan_of
from carriers.simulated.profiles import Profile, TextForm
from carriers.simulated.rate import Rate
from carriers.simulated.reassembly import Reassembly
from sms.smpp.constants import CommandStatus, EsmClass, Npi, Ton
from sms.smpp.pdu import SubmitSm
from sms.text import BARE, Envelope, TextEncoder, decode, sar
from telephony.kernel.clock import SECOND

MAX_TRIED: Final = 10_000
"""Messages whose tries are counted; beyond, the oldest is forgotten."""

MAX_ECHO: Final = 2_000
"""Characters that an echo repeats: with what stands before it, it must not need more than 255 parts."""

SHUFFLE: Final = (0.04, 0.02, 0.03, 0.0, 0.01)
"""Seconds by which one after the other of five is late, when they shall come in another order."""

SHUFFLED: Final = 0.05
"""Seconds after which the last of them has come."""

_ENCODER: Final = TextEncoder()
_UDHI: Final = int(EsmClass.UDHI)

Address = tuple[int, int, str]
"""Type of number, numbering plan, digits."""


class Act(Enum):
    """What the carrier does to the connection once it has answered."""

    NONE = "none"
    UNBIND = "unbind"
    DROP = "drop"  # in the middle of the answer
    DEAFEN = "deafen"


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
    late: tuple[tuple[float, Delivery], ...] = ()
    """What is sent so many seconds later."""
    answer_late: float = 0.0
    """How many seconds the response waits."""
    nack: bool = False
    """Whether the response is a generic_nack."""
    act: Act = Act.NONE


class Account:
    """An account's messages."""

    def __init__(
        self,
        profile: Profile,
        next_id: Callable[[], int],
        *,
        per_second: float | None,
        mono: float,
        slow: float,
    ) -> None:
        """`next_id` gives numbers that are unique in the whole carrier; `mono` is the monotonic time now."""
        self.profile = profile
        rate = per_second or profile.per_second
        self._rate = Rate(rate, mono) if rate else None
        self._next_id = next_id
        self._slow = slow
        self._count = 0
        self._write = ReceiptWriter(profile)
        self._tried: dict[tuple[str, str, bytes], int] = {}
        self._reassembly = Reassembly()
        self._reference = 0

    def submit(self, pdu: SubmitSm, now: int, mono: float) -> Decision:
        """Decide about a submit_sm that came at `now` (microseconds, UTC) and `mono` (seconds)."""
        if self._rate is not None and not self._rate.take(mono):
            return Decision(CommandStatus.ESME_RTHROTTLED)
        self._count += 1
        profile = self.profile
        if self._due(profile.refuse_every):
            return Decision(profile.refusal, nack=profile.nack)
        plan: Plan | None = None
        if pdu.schedule_delivery_time or pdu.validity_period:
            plan = plan_of(pdu, now)
            if plan.status:
                return Decision(plan.status)
        outcome = outcome_of(pdu.destination_addr)
        answered = not self._due(profile.lose_every)
        if outcome.refused_tries or outcome.lost_responses:
            tried = self._count_try(pdu, max(outcome.refused_tries, outcome.lost_responses))
            if tried < outcome.refused_tries:
                return Decision(outcome.refusal)
            answered = answered and tried >= outcome.lost_responses
        number = self._next_id()
        late, waits = self._lateness(outcome), 0.0
        done = now + round(self._slow * SECOND) if outcome.slow else now
        if plan is not None:
            waits = (plan.begin - now) / SECOND
            late += waits
            done += plan.begin - now
            if plan.until is not None and done > plan.until:
                late, done = (plan.until - now) / SECOND, plan.until
                outcome = replace(outcome, end=End.EXPIRED, reply=Reply.NONE)
        receipts = self._receipts(pdu, outcome, number, now, done)
        replies = self._replies(pdu, outcome)
        message_id = profile.response_id.spell(number)
        act = self._act()
        if late:
            delayed = tuple((late, receipt) for receipt in receipts)
            if waits:
                delayed += tuple((waits, reply) for reply in replies)
                replies = ()
            answer_late = SHUFFLE[self._count % len(SHUFFLE)] if profile.responses_shuffled else 0.0
            return Decision(
                0, message_id, answered, after=replies, late=delayed, answer_late=answer_late, act=act
            )
        if outcome.receipt_first or profile.receipt_first:
            return Decision(0, message_id, answered, before=receipts, after=replies, act=act)
        return Decision(0, message_id, answered, after=receipts + replies, act=act)

    def from_handset(
        self, body: str | bytes, source: Address, destination: Address, envelope: Envelope = BARE
    ) -> tuple[Delivery, ...]:
        """Return the deliver_sm of what somebody sends to one of the account's numbers: a text, or octets,
        which come behind headers whatever the profile says of texts.

        Raises what `sms.text.TextEncoder.enclosed` raises.
        """
        self._reference = (self._reference + 1) & 0xFF
        message_id = self.profile.response_id.spell(self._next_id())
        parts = _ENCODER.enclosed(body, envelope).parts(self._reference)
        form = None if isinstance(body, str) else TextForm.UDH
        return from_handset(parts, source, destination, message_id, self.profile, self._reference, form)

    def _due(self, every: int) -> bool:
        return every > 0 and self._count % every == 0

    def _act(self) -> Act:
        profile = self.profile
        if self._due(profile.unbind_every):
            return Act.UNBIND
        if self._due(profile.drop_every):
            return Act.DROP
        return Act.DEAFEN if self._count == profile.deaf_after else Act.NONE

    def _lateness(self, outcome: Outcome) -> float:
        """Return after how many seconds receipts come; 0: at once."""
        if outcome.slow:
            return self._slow
        if self.profile.responses_shuffled:
            return SHUFFLED
        if self.profile.receipts_shuffled:
            return SHUFFLE[self._count % len(SHUFFLE)] + 0.001
        return 0.0

    def _receipts(
        self, pdu: SubmitSm, outcome: Outcome, number: int, now: int, done: int
    ) -> tuple[Delivery, ...]:
        profile = self.profile
        if not outcome.receipts or not wants_receipt(pdu.registered_delivery, outcome.end):
            return ()
        if profile.receipt_of_last_part:
            concat = concat_of(pdu)
            if concat is not None and concat.number < concat.total:
                return ()
        final = self._write.final(pdu, number, outcome.end, now, done)
        times = max(outcome.receipts, profile.receipts)
        receipts = (final, *(final.again() for _ in range(times - 1)))
        return (
            (self._write.intermediate(pdu, number, now), *receipts)
            if profile.receipt_intermediate
            else receipts
        )

    def _replies(self, pdu: SubmitSm, outcome: Outcome) -> tuple[Delivery, ...]:
        """Return what the handset sends back; nothing to a sender that is a name."""
        if outcome.reply is Reply.NONE or pdu.source_addr_ton == Ton.ALPHANUMERIC:
            return ()
        udhi = bool(pdu.esm_class & _UDHI)
        text = self._reassembly.add(
            (pdu.source_addr, pdu.destination_addr),
            decode(payload_of(pdu), pdu.data_coding, udhi),
            sar.read(pdu.tlvs),
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
