"""What carriers push to us: receipts and messages, kept before they are answered."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from carriers.model.carrier import Carrier
from sms.address import reader_of
from sms.gather import Gather
from sms.message import Extras
from sms.ports import DeliverLink
from sms.reassembly import part_of, repetition
from sms.receipt_learning import ReceiptForms
from sms.receipts import is_receipt, is_receipt_by_type, read_receipt
from sms.settings import SmsSettings
from sms.smpp.constants import CommandStatus, EsmClass, Tag
from sms.smpp.pdu import DeliverSm, tlv
from sms.store.finish import Finisher
from sms.store.inbound import InboundSms, RecordInbound
from sms.store.receipt_forms import OpenReceipt, Taken
from sms.store.receipts import CarrierReceipt, RecordReceipts
from sms.store.repeats import DoubtAnswers, TrustAnswers
from sms.suspects import Suspects
from sms.text import Alphabet, Decoded, Envelope, decode, udh
from telephony.kernel.clock import DAY, Clock
from telephony.kernel.e164 import shorten
from telephony.kernel.errors import Unavailable
from telephony.kernel.ids import InteractionId
from telephony.kernel.store import Store

log = structlog.get_logger(__name__)

_UDHI: Final = int(EsmClass.UDHI)  # a plain integer: an IntFlag takes microseconds for each `&`


LATE_SECONDS: Final = 5.0
"""An answer that took longer may have come too late: carriers wait 10 s and more, counted at their end."""


@dataclass(frozen=True, slots=True)
class _Answer:
    link: DeliverLink
    sequence: int
    since: float
    """When the request came: monotonic seconds."""
    losses: int
    """How often the link had been lost by then."""

    def send(self, status: int) -> None:
        self.link.answer_deliver(self.sequence, status)


_Receipt = tuple[CarrierReceipt, _Answer]
_Open = tuple[OpenReceipt, _Answer]
_Message = tuple[InboundSms, _Answer]
_Kept = tuple[Finisher, list[InteractionId | None]]


class Inlet:
    """The way in from one carrier's links to the store.

    A deliver_sm is answered with ESME_ROK only after its commit, and with ESME_RX_T_APPN, which asks for
    another try, when it cannot be kept. What comes faster than it is kept is refused by the link's session.
    """

    def __init__(
        self,
        name: str,
        carrier: Carrier,
        *,
        store: Store,
        clock: Clock,
        settings: SmsSettings,
        finisher: Callable[[], Finisher],
        ended: Callable[[Finisher], None],
    ) -> None:
        self._name = name
        self._carrier = carrier
        self._read = reader_of(carrier)
        self._clock = clock
        self._settings = settings
        self._ended = ended
        self._suspects = Suspects(settings.reassembly.repeat_seconds)
        self._losses: dict[str, int] = {}
        self._draining = False
        self._node = finisher().node
        self._store = store
        self._lost: Gather[str, None] = Gather(
            store,
            lambda links: DoubtAnswers(self._node, name, links, clock.now()),
            done=_nothing,
            failed=self._doubt_unwritten,
            persistent=False,
        )
        self.forms: Final = ReceiptForms(
            name, carrier, store=store, clock=clock, finisher=finisher, ended=ended
        )
        self._open: Gather[_Open, Taken] = Gather(
            store,
            lambda batch: self.forms.job(receipt for receipt, _ in batch),
            done=self._open_kept,
            failed=_try_again,
            persistent=False,
        )
        self._receipts: Gather[_Receipt, Finisher] = Gather(
            store,
            lambda batch: RecordReceipts(finisher(), [receipt for receipt, _ in batch]),
            done=self._receipts_kept,
            failed=_try_again,
            persistent=False,
        )
        self._messages: Gather[_Message, _Kept] = Gather(
            store,
            lambda batch: RecordInbound(
                finisher(),
                self.body_until(),
                [message for message, _ in batch],
                settings.reassembly.seconds,
            ),
            done=self._messages_kept,
            failed=self._messages_unkept,
            persistent=False,
        )

    async def flush(self) -> None:
        """Wait until everything that came in is kept and answered."""
        await self._receipts.flush()
        await self._open.flush()
        await self._messages.flush()
        await self._lost.flush()

    def link_lost(self, name: str) -> None:
        """Learn that a link is gone: the carrier may not have got the last answers."""
        self._losses[name] = self._losses.get(name, 0) + 1
        if not self._draining:
            self._lost.add(name)

    def drain(self) -> None:
        """Learn that links go because we want it: whatever was answered is answered."""
        self._draining = True

    async def stop(self) -> None:
        """Wait until everything that came in is kept and answered, and put it down as such."""
        await self.flush()
        try:
            await self._store.write(TrustAnswers(self._node, self._name))
        except Unavailable:
            log.warning("inlet.stopped_early", carrier=self._name)

    def delivered(self, link: DeliverLink, pdu: DeliverSm, sequence: int) -> None:
        """Take a deliver_sm; it is answered when it is kept."""
        answer = _Answer(link, sequence, self._clock.monotonic(), self._losses.get(link.name, 0))
        payload = pdu.short_message or tlv(pdu.tlvs, Tag.MESSAGE_PAYLOAD) or b""
        try:
            if is_receipt(pdu):
                self._take_receipt(link, payload, pdu, answer)
            else:
                self._take_message(link, payload, pdu, answer)
        except Exception:  # a mistake of ours in reading it; unanswered, it would hold the carrier's window
            log.exception("inlet.unreadable", carrier=self._name, link=link.name, octets=len(payload))
            answer.send(CommandStatus.ESME_RX_P_APPN)

    def _take_receipt(self, link: DeliverLink, payload: bytes, pdu: DeliverSm, answer: _Answer) -> None:
        receipt = read_receipt(pdu, payload)
        if receipt is None and payload and not is_receipt_by_type(pdu):
            self._take_message(link, payload, pdu, answer)  # it names itself, not a message of ours
            return
        if receipt is None:
            # It would come again and again unchanged, so it is taken; that it came stands in the log.
            log.warning("receipt.unreadable", carrier=self._name, link=link.name, octets=len(payload))
            answer.send(CommandStatus.ESME_ROK)
            return
        scope = self.forms.of(link.name)
        if scope.open:
            self._open.add((self.forms.opened(scope, link.name, receipt, pdu), answer))
        else:
            self._receipts.add((self.forms.declared(scope, link.name, receipt), answer))

    def _take_message(self, link: DeliverLink, payload: bytes, pdu: DeliverSm, answer: _Answer) -> None:
        udhi = bool(pdu.esm_class & _UDHI)
        decoded = decode(payload, pdu.data_coding, udhi, self._carrier.data_coding_default)
        now = self._clock.now()
        own = self._read(pdu.destination_addr, pdu.dest_addr_ton)
        peer = self._read(pdu.source_addr, pdu.source_addr_ton)
        extras = _extras(decoded, pdu)
        part = part_of(self._name, own, peer, decoded, pdu.tlvs, now, extras)
        body = decoded.body if decoded.alphabet is Alphabet.BINARY else decoded.text.encode()
        remote_id = (tlv(pdu.tlvs, Tag.RECEIPTED_MESSAGE_ID) or b"").partition(b"\0")[0].decode("latin-1")
        known = None
        if part is None:
            known = repetition(
                self._name,
                own,
                peer,
                payload,
                decoded.alphabet,
                now,
                seconds=self._settings.reassembly.repeat_seconds,
                remote_id=remote_id,
            )
        message = InboundSms(
            self._name,
            link.name,
            now,
            own,
            peer,
            decoded.text,
            body,
            decoded.alphabet.value,
            part=part,
            repetition=known,
            named=bool(remote_id),
            extras=extras,
            written=(pdu.destination_addr, pdu.source_addr) if self._carrier.formats is not None else None,
            suspect=known is not None and self._suspects.take(known.digest, self._clock.monotonic()),
        )
        self._messages.add((message, answer))

    def _open_kept(self, batch: Sequence[_Open], taken: Taken) -> None:
        for _, answer in batch:
            answer.send(CommandStatus.ESME_ROK)
        self.forms.taken(taken)

    def _receipts_kept(self, batch: Sequence[_Receipt], finisher: Finisher) -> None:
        for _, answer in batch:
            answer.send(CommandStatus.ESME_ROK)
        self._ended(finisher)

    def _messages_kept(self, batch: Sequence[_Message], result: _Kept) -> None:
        finisher, kept = result
        for (message, answer), identifier in zip(batch, kept, strict=True):
            if identifier is None:
                log.warning("sms.nobodys_number", carrier=self._name, number=shorten(message.own))
                answer.send(CommandStatus.ESME_RINVDSTADR)
            else:
                answer.send(CommandStatus.ESME_ROK)
                lost = self._losses.get(answer.link.name, 0) != answer.losses
                if lost or self._clock.monotonic() - answer.since > LATE_SECONDS:
                    self._suspect(message)
        self._ended(finisher)

    def _messages_unkept(self, batch: Sequence[_Message]) -> None:
        for message, _ in batch:
            self._suspect(message)  # kept after all, perhaps: a commit whose answer was lost
        _try_again(batch)

    def _suspect(self, message: InboundSms) -> None:
        if message.repetition is not None:
            self._suspects.add(message.repetition.digest, self._clock.monotonic())

    def _doubt_unwritten(self, links: Sequence[str]) -> None:
        log.warning("inlet.doubt_unwritten", carrier=self._name, links=len(links))

    def body_until(self) -> int:
        """Return until when a text that comes now is kept."""
        return self._clock.now() + self._settings.body_days * DAY


def _extras(decoded: Decoded, pdu: DeliverSm) -> Extras | None:
    """Return what a message has that its text does not tell; None for a mere text."""
    if decoded.alphabet is not Alphabet.BINARY and not decoded.header.raw:
        return None
    header = udh.apart(decoded.header)
    if decoded.alphabet is not Alphabet.BINARY and not header:
        return None
    return Extras(Envelope(header=header, data_coding=pdu.data_coding), pdu.protocol_id)


def _nothing(links: Sequence[str], result: None) -> None:
    pass


def _try_again(batch: Sequence[tuple[object, _Answer]]) -> None:
    for _, answer in batch:
        answer.send(CommandStatus.ESME_RX_T_APPN)
