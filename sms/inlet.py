"""What carriers push to us: receipts and messages, kept before they are answered."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from carriers.model.carrier import Carrier
from sms.address import number
from sms.gather import Gather
from sms.ports import DeliverLink
from sms.receipts import is_receipt, read_receipt
from sms.settings import SmsSettings
from sms.smpp.constants import CommandStatus, EsmClass, Tag
from sms.smpp.pdu import DeliverSm, tlv
from sms.store.finish import Finisher
from sms.store.inbound import InboundSms, RecordInbound
from sms.store.receipts import CarrierReceipt, RecordReceipts
from sms.text import Alphabet, decode
from telephony.kernel.clock import DAY, Clock
from telephony.kernel.e164 import shorten
from telephony.kernel.ids import InteractionId
from telephony.kernel.store import Store

log = structlog.get_logger(__name__)

_UDHI: Final = int(EsmClass.UDHI)  # a plain integer: an IntFlag takes microseconds for each `&`


@dataclass(frozen=True, slots=True)
class _Answer:
    link: DeliverLink
    sequence: int

    def send(self, status: int) -> None:
        self.link.answer_deliver(self.sequence, status)


_Receipt = tuple[CarrierReceipt, _Answer]
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
        self._clock = clock
        self._settings = settings
        self._ended = ended
        self._receipts: Gather[_Receipt, Finisher] = Gather(
            store,
            lambda batch: RecordReceipts(finisher(), [receipt for receipt, _ in batch]),
            done=self._receipts_kept,
            failed=_try_again,
            persistent=False,
        )
        self._messages: Gather[_Message, _Kept] = Gather(
            store,
            lambda batch: RecordInbound(finisher(), self._body_until(), [message for message, _ in batch]),
            done=self._messages_kept,
            failed=_try_again,
            persistent=False,
        )

    async def flush(self) -> None:
        """Wait until everything that came in is kept and answered."""
        await self._receipts.flush()
        await self._messages.flush()

    def delivered(self, link: DeliverLink, pdu: DeliverSm, sequence: int) -> None:
        """Take a deliver_sm; it is answered when it is kept."""
        answer = _Answer(link, sequence)
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
        receipt = read_receipt(pdu, payload, self._carrier.receipt_id)
        if receipt is None:
            # It would come again and again unchanged, so it is taken; that it came stands in the log.
            log.warning("receipt.unreadable", carrier=self._name, link=link.name, octets=len(payload))
            answer.send(CommandStatus.ESME_ROK)
            return
        self._receipts.add((CarrierReceipt(self._name, link.name, self._clock.now(), receipt), answer))

    def _take_message(self, link: DeliverLink, payload: bytes, pdu: DeliverSm, answer: _Answer) -> None:
        udhi = bool(pdu.esm_class & _UDHI)
        decoded = decode(payload, pdu.data_coding, udhi, self._carrier.data_coding_default)
        message = InboundSms(
            self._name,
            link.name,
            self._clock.now(),
            number(pdu.destination_addr, pdu.dest_addr_ton),
            number(pdu.source_addr, pdu.source_addr_ton),
            decoded.text,
            decoded.body if decoded.alphabet is Alphabet.BINARY else decoded.text.encode(),
            decoded.alphabet.value,
        )
        self._messages.add((message, answer))

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
        self._ended(finisher)

    def _body_until(self) -> int:
        return self._clock.now() + self._settings.body_days * DAY


def _try_again(batch: Sequence[tuple[object, _Answer]]) -> None:
    for _, answer in batch:
        answer.send(CommandStatus.ESME_RX_T_APPN)
