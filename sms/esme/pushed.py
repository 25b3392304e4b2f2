"""What a carrier pushes that binds to us: it takes the way of what comes over links to it (`sms.inlet`)."""

from collections.abc import Callable
from typing import Final

import structlog
from msgspec import structs

from sms.address import number
from sms.esme.account import EsmeAccount, spell_id
from sms.inlet import Inlet
from sms.receipts import is_receipt, is_receipt_by_type, read_receipt
from sms.smpp.constants import CommandStatus, Tag
from sms.smpp.link_connection import as_deliver_sm
from sms.smpp.pdu import DataSm, DeliverSm, SubmitSm, SubmitSmResp, tlv
from sms.smpp.reception import Answer
from telephony.kernel import ids
from telephony.kernel.clock import Clock
from telephony.kernel.errors import Unavailable
from telephony.numbers.directory import NumberDirectory

log = structlog.get_logger(__name__)

Message = SubmitSm | DataSm | DeliverSm
"""What carriers push by: deliver_sm and data_sm as one SMSC to another, submit_sm as an ESME."""

LATER: Final = CommandStatus.ESME_RX_T_APPN
"""Asks for another try (SMPP 3.4 §5.1.3)."""


class Pushes:
    """Messages to a carrier's numbers, and receipts for what it took; answered once they are on disk."""

    def __init__(
        self, *, clock: Clock, numbers: NumberDirectory, inlet: Callable[[str], Inlet | None]
    ) -> None:
        """`inlet` is the way in of a carrier; None for one that is not configured."""
        self._clock, self._numbers, self._inlet = clock, numbers, inlet
        self._used: set[Inlet] = set()

    async def take(self, account: EsmeAccount, pdu: Message, answer: Answer) -> None:
        """Take one, and answer it, now or when it is kept."""
        carrier = account.settings.carrier
        inlet = self._inlet(carrier)
        pushed = _Pushed(
            _name(account), answer, spell_id(ids.new_id(self._clock.now()), account.settings.ids)
        )
        if inlet is None:
            log.warning("esme.carrier_not_configured", system_id=account.system_id, carrier=carrier)
            pushed.answer_deliver(answer.sequence, LATER)
            return
        deliver = _as_deliver_sm(pdu)
        try:
            if not _is_ours(deliver) and not await self._brings(carrier, deliver):
                pushed.answer_deliver(answer.sequence, CommandStatus.ESME_RINVDSTADR)
                return
        except Exception as error:  # whatever it is; unanswered, it would hold the carrier's window
            if not isinstance(error, Unavailable):
                log.exception("esme.push_failed", system_id=account.system_id)
            pushed.answer_deliver(answer.sequence, LATER)
            return
        self._used.add(inlet)
        inlet.delivered(pushed, deliver, answer.sequence)

    def left(self, account: EsmeAccount) -> None:
        """Learn that a bind is gone: the carrier may not have got the last answers, and come again."""
        inlet = self._inlet(account.settings.carrier)
        if inlet is not None:
            inlet.link_lost(_name(account))

    async def flush(self) -> None:
        """Wait until everything that was pushed is kept and answered."""
        for inlet in self._used:
            await inlet.flush()

    async def _brings(self, carrier: str, pdu: DeliverSm) -> bool:
        """Tell whether a message is to one of the carrier's numbers."""
        owned = await self._numbers.find(number(pdu.destination_addr, pdu.dest_addr_ton))
        return owned is not None and owned.carrier == carrier


def _name(account: EsmeAccount) -> str:
    """Return what an account is called where links are named, none of which is called so."""
    return f"smpp:{account.system_id}"


def _as_deliver_sm(pdu: Message) -> DeliverSm:
    if isinstance(pdu, DataSm):
        return as_deliver_sm(pdu)
    return pdu if isinstance(pdu, DeliverSm) else DeliverSm(**structs.asdict(pdu))


def _is_ours(pdu: DeliverSm) -> bool:
    """Tell whether it is about a message of ours: the inlet will not take it for a message to a number."""
    if not is_receipt(pdu):
        return False
    payload = pdu.short_message or tlv(pdu.tlvs, Tag.MESSAGE_PAYLOAD) or b""
    return is_receipt_by_type(pdu) or read_receipt(pdu, payload) is not None


class _Pushed:
    """The way back for what a carrier's account brought. A `sms.ports.DeliverLink`."""

    def __init__(self, name: str, answer: Answer, identifier: str) -> None:
        self.name = name
        self._answer = answer
        self._identifier = identifier

    def answer_deliver(self, sequence: int, status: int) -> None:
        """Answer by the response that was asked for; submit_sm_resp knows no ESME_RX_T_APPN (§5.1.3)."""
        if status == LATER and self._answer.kind is SubmitSmResp:
            status = CommandStatus.ESME_RSYSERR
        self._answer(status, self._identifier if status == CommandStatus.ESME_ROK else "")
