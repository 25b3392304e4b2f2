"""What an account may do about its own messages: query_sm, cancel_sm, replace_sm (SMPP 3.4 §4.8 to §4.10)."""

from typing import Final

import structlog

from sms.address import number
from sms.esme.account import EsmeAccount, read_id
from sms.esme.lookup import FindMessage, Known, WaitingBetween
from sms.esme.submission import Refused, read_change, status_of
from sms.life import MessageLife
from sms.message import Extras
from sms.smpp.constants import CommandStatus, MessageState, status_text
from sms.smpp.pdu import CancelSm, Pdu, QuerySm, QuerySmResp, ReplaceSm
from sms.smpp.reception import Answer
from sms.smpp.times import absolute_time
from sms.states import MessageState as State
from sms.text import Alphabet
from telephony.kernel.clock import Clock
from telephony.kernel.errors import Conflict, NotFound, TandemError
from telephony.kernel.ids import InteractionId
from telephony.kernel.store import Store

log = structlog.get_logger(__name__)

STATES: Final = {
    State.ACCEPTED: MessageState.ENROUTE,
    State.SUBMITTING: MessageState.ENROUTE,
    State.SUBMITTED: MessageState.ENROUTE,
    State.DELIVERED: MessageState.DELIVERED,
    State.FAILED: MessageState.UNDELIVERABLE,
    State.EXPIRED: MessageState.EXPIRED,
    State.UNREPORTED: MessageState.UNKNOWN,
    State.CANCELLED: MessageState.DELETED,
}
"""Our states as message_state (§5.2.28)."""

FAILURES: Final[dict[type[Pdu], int]] = {
    QuerySm: CommandStatus.ESME_RQUERYFAIL,
    CancelSm: CommandStatus.ESME_RCANCELFAIL,
    ReplaceSm: CommandStatus.ESME_RREPLACEFAIL,
}
"""The status of what cannot be done, by request."""


class Enquiries:
    """Answers them. Somebody else's message is no message: ESME_RINVMSGID."""

    def __init__(self, *, store: Store, clock: Clock, life: MessageLife) -> None:
        self._store, self._clock, self._life = store, clock, life

    async def __call__(self, account: EsmeAccount, pdu: Pdu, answer: Answer) -> None:
        """Do what is asked, and answer."""
        try:
            if isinstance(pdu, QuerySm):
                answer.by(await self._query(account, pdu))
                return
            if isinstance(pdu, CancelSm):
                await self._cancel(account, pdu)
            elif isinstance(pdu, ReplaceSm):
                await self._replace(account, pdu)
            answer()
        except TandemError as error:
            status = _status(pdu, error)
            log.info("esme.refused", system_id=account.system_id, status=status_text(status))
            answer(status)
        except Exception:  # a mistake of ours; unanswered, it would hold the account's window
            log.exception("esme.enquiry_failed", system_id=account.system_id)
            answer(CommandStatus.ESME_RSYSERR)

    async def _query(self, account: EsmeAccount, pdu: QuerySm) -> QuerySmResp:
        known = await self._find(account, pdu.message_id)
        _must_be(known.own, pdu.source_addr, pdu.source_addr_ton, CommandStatus.ESME_RINVSRCADR)
        final = "" if known.ended is None else absolute_time(known.ended)
        return QuerySmResp(pdu.message_id, final, STATES[known.state], _error(known))

    async def _cancel(self, account: EsmeAccount, pdu: CancelSm) -> None:
        source = f"smpp:{account.system_id}"
        if pdu.message_id:
            known = await self._find(account, pdu.message_id)
            _must_be(known.own, pdu.source_addr, pdu.source_addr_ton, CommandStatus.ESME_RINVSRCADR)
            _must_be(known.peer, pdu.destination_addr, pdu.dest_addr_ton, CommandStatus.ESME_RINVDSTADR)
            await self._life.cancel(account.resource, known.id, source)
            return
        # Without an id it means every message between the two that was not sent yet (§4.9.1).
        own = number(pdu.source_addr, pdu.source_addr_ton)
        peer = number(pdu.destination_addr, pdu.dest_addr_ton)
        between = WaitingBetween(account.resource, account.system_id, own, peer)
        cancelled = 0
        for identifier in await self._store.read(between):
            try:
                await self._life.cancel(account.resource, identifier, source)
            except (Conflict, NotFound):
                continue  # sent meanwhile
            cancelled += 1
        if not cancelled:
            raise Refused(CommandStatus.ESME_RCANCELFAIL, "Nothing waits between the two.")

    async def _replace(self, account: EsmeAccount, pdu: ReplaceSm) -> None:
        known = await self._find(account, pdu.message_id)
        _must_be(known.own, pdu.source_addr, pdu.source_addr_ton, CommandStatus.ESME_RINVSRCADR)
        detail = known.detail
        if detail.concat is not None or detail.alphabet == Alphabet.BINARY.value:
            raise Refused(CommandStatus.ESME_RREPLACEFAIL, "Only whole texts can be replaced.")
        extras = detail.extras or Extras()
        change = read_change(pdu, account.settings, extras.coding, self._clock.now())
        await self._life.replace(
            account.resource,
            known.id,
            change.text,
            carrier=known.carrier,
            to=known.peer,
            envelope=extras.envelope,
            receipt=change.receipt,
            not_before=change.not_before,
            validity_seconds=change.validity_seconds,
            source=f"smpp:{account.system_id}",
        )

    async def _find(self, account: EsmeAccount, spelled: str) -> Known:
        identifier = read_id(spelled, account.settings.ids)
        known = None if identifier is None else await self._look(account, identifier)
        if known is None:
            raise Refused(CommandStatus.ESME_RINVMSGID, "The account has no such message.")
        return known

    async def _look(self, account: EsmeAccount, identifier: InteractionId) -> Known | None:
        return await self._store.read(FindMessage(account.resource, account.system_id, identifier))


def _must_be(known: str, address: str, ton: int, status: int) -> None:
    """Compare an address to the message's; an empty one is not compared. Raises Refused."""
    if address and number(address, ton) != known:
        raise Refused(status, "The message has another address.")


def _status(pdu: Pdu, error: TandemError) -> int:
    if isinstance(error, NotFound):
        return CommandStatus.ESME_RINVMSGID
    if isinstance(error, Conflict):
        return FAILURES[type(pdu)]
    return status_of(error)


def _error(known: Known) -> int:
    """Return the carrier's error code where it fits into error_code's octet, else 0."""
    _, _, code = known.report.partition(" ")
    value = int(code) if known.state is State.FAILED and code.isascii() and code.isdigit() else 0
    return value if value <= 0xFF else 0
