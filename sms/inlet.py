"""What carriers push to us: receipts and messages, kept before they are answered."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from carriers.model.carrier import Carrier
from sms.address import number
from sms.gather import Gather
from sms.ports import DeliverLink
from sms.receipts import RECEIPTED_MESSAGE_ID, parse_receipt
from sms.settings import SmsSettings
from sms.smpp.constants import CommandStatus
from sms.smpp.pdu import DeliverSm
from sms.store.finish import Finisher
from sms.store.inbound import InboundSms, RecordInbound
from sms.store.receipts import CarrierReceipt, RecordReceipts
from sms.text.encoding import decode
from telephony.kernel.clock import DAY, Clock
from telephony.kernel.e164 import shorten
from telephony.kernel.ids import InteractionId
from telephony.kernel.store import Store

log = structlog.get_logger(__name__)

RECEIPT_TYPES: Final = 0x3C
"""esm_class bits of the message type (SMPP 3.4 §5.2.12)."""

RECEIPT: Final = 0x04
"""The type: SMSC delivery receipt."""

MESSAGE_PAYLOAD: Final = 0x0424
"""The TLV that carries a text too long for short_message (SMPP 3.4 §5.3.2.32)."""


@dataclass(frozen=True, slots=True)
class _Answer:
    link: DeliverLink
    sequence: int

    def send(self, status: int) -> None:
        self.link.answer_deliver(self.sequence, status)


class Inlet:
    """The way in from one carrier's links to the store.

    A deliver_sm is answered with ESME_ROK only after its commit, and with ESME_RX_T_APPN, which asks for
    another try, when the store is away.
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
        self._receipts: Gather[tuple[CarrierReceipt, _Answer], Finisher] = Gather(
            store,
            lambda batch: RecordReceipts(finisher(), clock.now(), [receipt for receipt, _ in batch]),
            done=self._receipts_kept,
            failed=_try_again,
            persistent=False,
        )
        self._messages: Gather[tuple[InboundSms, _Answer], tuple[Finisher, list[InteractionId | None]]] = (
            Gather(
                store,
                lambda batch: RecordInbound(
                    finisher(), self._body_until(), [message for message, _ in batch]
                ),
                done=self._messages_kept,
                failed=_try_again,
                persistent=False,
            )
        )

    async def flush(self) -> None:
        """Wait until everything that came in is kept and answered."""
        await self._receipts.flush()
        await self._messages.flush()

    def delivered(self, link: DeliverLink, pdu: DeliverSm, sequence: int) -> None:
        """Take a deliver_sm; it is answered when it is kept."""
        answer = _Answer(link, sequence)
        text = pdu.short_message
        if not text:
            text = next((value for tag, value in pdu.tlvs if tag == MESSAGE_PAYLOAD), b"")
        if pdu.esm_class & RECEIPT_TYPES == RECEIPT or any(
            tag == RECEIPTED_MESSAGE_ID for tag, _ in pdu.tlvs
        ):
            self._take_receipt(link, text, pdu, answer)
        else:
            self._take_message(link, text, pdu, answer)

    def _take_receipt(self, link: DeliverLink, text: bytes, pdu: DeliverSm, answer: _Answer) -> None:
        receipt = parse_receipt(text, pdu.tlvs, self._carrier.receipt_id)
        if receipt is None:
            # It would come again and again unchanged, so it is taken; what it said stands in the log.
            log.warning("receipt.unreadable", carrier=self._name, link=link.name, octets=len(text))
            answer.send(CommandStatus.ESME_ROK)
            return
        self._receipts.add((CarrierReceipt(self._name, link.name, self._clock.now(), receipt), answer))

    def _take_message(self, link: DeliverLink, text: bytes, pdu: DeliverSm, answer: _Answer) -> None:
        decoded = decode(
            text, pdu.data_coding, udhi=bool(pdu.esm_class & 0x40), default=self._carrier.data_coding_default
        )
        message = InboundSms(
            self._name,
            link.name,
            self._clock.now(),
            number(pdu.destination_addr, pdu.dest_addr_ton),
            number(pdu.source_addr, pdu.source_addr_ton),
            decoded.text,
            decoded.alphabet.value,
        )
        self._messages.add((message, answer))

    def _receipts_kept(self, batch: Sequence[tuple[CarrierReceipt, _Answer]], finisher: Finisher) -> None:
        for _, answer in batch:
            answer.send(CommandStatus.ESME_ROK)
        self._ended(finisher)

    def _messages_kept(
        self,
        batch: Sequence[tuple[InboundSms, _Answer]],
        result: tuple[Finisher, list[InteractionId | None]],
    ) -> None:
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
