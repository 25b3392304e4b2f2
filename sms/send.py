"""The verb behind ACS's Sms send: from a request to messages on disk."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from sms.compliance.countries import CODE as SENDER_NOT_ALLOWED
from sms.compliance.countries import Countries
from sms.message import MAX_DATA, MAX_TEXT, Extras, Outbound, SmsDetail, wire_id
from sms.outgoing import Encode, encoded
from sms.ports import MessageLimits
from sms.reservation import Reservation
from sms.settings import SmsSettings
from sms.shares import Shares
from sms.store.accept import Accepted, AcceptMessages, NewMessage
from sms.text import BARE, Alphabet, Concat, Envelope, InvalidHeader
from telephony.kernel import ids
from telephony.kernel.clock import DAY, SECOND, Clock
from telephony.kernel.e164 import parse_e164
from telephony.kernel.errors import CallerError, InvalidRequest, LimitReached, Unauthorized
from telephony.kernel.http.repeatability import Pair
from telephony.kernel.ids import InteractionId, NodeId, ResourceId
from telephony.kernel.store import Store
from telephony.numbers.directory import NumberDirectory
from telephony.usage.ceilings import Refusal
from telephony.usage.counters import OverLimit
from telephony.usage.limiter import Admission, forbids
from telephony.usage.record import Charge

BACKLOG_RETRY_SECONDS: Final = 2.0
"""When to come back while too much is waiting for the carriers."""

MALFORMED: Final = "Invalid To phone number format."
"""As Azure says it."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom to send to, with the idempotency id if there was one."""

    to: str
    repeat: Pair | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one recipient; `message_id` as ACS spells it."""

    to: str
    status: int
    message_id: str | None = None
    repeatability: str | None = None
    """accepted | rejected, for recipients with an idempotency id."""
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """What the sender asked for beyond the text."""

    report: bool = False
    tag: str | None = None
    report_seconds: int = 0
    source: str = "http"
    """Who asked, for the timeline."""
    account: str = ""
    """The SMPP account that asked."""
    receipt: int = 0
    """What receipts that account wants: see `SmsDetail`."""
    concat: Concat | None = None
    """Which part of a text this is, when its sender cut that itself."""
    validity_seconds: int | None = None
    """How long it may wait to be sent, and to be delivered; the operator's setting when that is less."""
    not_before: int | None = None
    """When it may be sent at the earliest: microseconds UTC."""
    priority: int = 0
    """0 to 3: the greater leaves first."""
    envelope: Envelope = BARE
    protocol_id: int = 0
    max_parts: int | None = None
    """How many parts it may need at most; None: as many as there can be."""
    coding: int = 0
    """See `Extras`."""

    def extras(self) -> Extras | None:
        """Return what is kept of the rarer wishes; None when there are none."""
        rare = self.protocol_id or self.validity_seconds or self.not_before or self.coding
        if self.envelope == BARE and not rare:
            return None
        return Extras(
            self.envelope,
            self.protocol_id,
            self.validity_seconds or 0,
            self.not_before or 0,
            coding=self.coding,
        )


class SendSms:
    """Accept messages for sending.

    `offer` hands committed messages to their carrier's dispatcher, `backlog` counts what waits for it,
    `encoder` returns what encodes a carrier's texts, `schedules` tells whether a carrier keeps messages until
    their time, `reserve` keeps room for messages that are being accepted, `limits` tells what may be sent and
    what it comes to; None: everything, and nothing is counted.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        node: NodeId,
        numbers: NumberDirectory,
        settings: SmsSettings,
        offer: Callable[[str, Sequence[Outbound]], None],
        backlog: Callable[[str], int],
        encoder: Callable[[str], Encode] = lambda _: encoded,
        schedules: Callable[[str], bool] = lambda _: False,
        reserve: Callable[[str, Sequence[InteractionId]], Reservation | None] = lambda _carrier, _ids: None,
        limits: MessageLimits | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._node = node
        self._numbers = numbers
        self._settings = settings
        self._countries = Countries(settings.compliance.countries)
        self._offer = offer
        self._backlog = backlog
        self._encoder = encoder
        self._schedules = schedules
        self._reserve = reserve
        self._shares = Shares(store=store, clock=clock, node=node, settings=settings, backlog=backlog)
        self._limits = limits

    async def __call__(
        self,
        resource: ResourceId,
        sender: str,
        recipients: Sequence[Recipient],
        text: str | bytes,
        options: Options,
        request_id: str,
    ) -> list[Result]:
        """Send a text, or octets that are none.

        Returns a result for each recipient, in order, once every message is on disk.

        A recipient that is no number, whose country does not take the sender, that a limit forbids, or that
        has opted out is refused alone. Raises Unauthorized when the sender is not the resource's number or
        cannot send texts, InvalidRequest when no recipient is a number that the sender may reach or the text
        cannot be sent, LimitReached when too much waits or comes too fast, LimitForbids when no recipient
        is allowed or a limit of the day is reached, Unavailable when the store is away: then nothing was
        accepted.
        """
        extras = options.extras()
        if options.protocol_id and options.protocol_id not in self._settings.protocol_ids:
            raise InvalidRequest(
                f"tandem.protocolId: {options.protocol_id} is not among the operator's sms.protocol_ids.",
                target="tandem.protocolId",
            )
        alphabet, segments = _measure(text, encoded, options)
        owned = await self._numbers.find(sender)
        if owned is None or owned.resource != resource:
            raise Unauthorized("The sender is not a phone number of this resource.", target="from")
        if not owned.sends_sms:
            raise Unauthorized("The sender's capabilities do not include outbound SMS.", target="from")
        encode = self._encoder(owned.carrier)
        if encode is not encoded:  # a carrier with a policy of its own
            alphabet, segments = _measure(text, encode, options)
        refusals: Sequence[str | Refusal | None] = [
            self._refusal(sender, recipient.to) for recipient in recipients
        ]
        valid: Sequence[Recipient] = [
            recipient for recipient, refusal in zip(recipients, refusals, strict=True) if refusal is None
        ]
        if not valid:
            raise _nothing_to_send(refusals)
        if self._backlog(owned.carrier) >= self._settings.max_backlog:
            raise LimitReached(
                f"{self._settings.max_backlog} messages are waiting for the carrier (sms.max_backlog).",
                limit="sms.max_backlog",
                retry_after=BACKLOG_RETRY_SECONDS,
            )
        await self._shares.check(owned.carrier, sender, BACKLOG_RETRY_SECONDS)
        admission = None
        if self._limits is not None:
            to = [recipient.to for recipient in valid]
            admission = self._limits.messages(resource, owned.carrier, sender, to, segments)
            refusals, valid = _sifted(recipients, refusals, valid, admission.verdicts)
        detail = SmsDetail(
            segments,
            alphabet.value,
            options.tag,
            options.report,
            options.report_seconds,
            options.account,
            options.receipt,
            options.concat,
            options.priority,
            extras,
        )
        now = self._clock.now()
        validity = detail.valid_seconds(self._settings.validity_seconds)
        asked = options.not_before if options.not_before is not None and options.not_before > now else None
        by_carrier = asked is not None and self._schedules(owned.carrier)
        expires = (asked if asked is not None and by_carrier else now) + validity * SECOND
        body = text.encode() if isinstance(text, str) else text
        fresh = [
            NewMessage(
                resource,
                InteractionId(identifier),
                sender,
                recipient.to,
                owned.carrier,
                body,
                detail,
                recipient.repeat,
                self._not_before(recipient.to, now, asked, by_carrier),
                charge,
            )
            for recipient, charge, identifier in zip(
                valid, _charges(admission, valid), ids.new_ids(now, len(valid)), strict=True
            )
        ]
        times = [message.not_before for message in fresh if message.not_before is not None]
        last = max([asked or now, *times])
        # What is to be sent must be there.
        kept = max(now + self._settings.body_days * DAY, last + self._settings.validity_seconds * SECOND)
        # What nothing waits before is claimed by the write that accepts it.
        room = None if times else self._reserve(owned.carrier, [message.id for message in fresh])
        accepted = await self._accept(
            AcceptMessages(
                self._node,
                now,
                request_id,
                expires,
                kept,
                fresh,
                options.source,
                claimed=room is not None,
                counters=() if admission is None else admission.counters,
            ),
            room,
            admission,
        )
        ready = [
            Outbound(
                message.resource,
                message.id,
                message.own,
                message.peer,
                text,
                expires,
                options.report_seconds,
                concat=options.concat,
                priority=options.priority,
                extras=extras,
            )
            for message, answer in zip(fresh, accepted, strict=True)
            if not answer.refused and not answer.repeated and message.not_before is None
        ]
        self._shares.add(owned.carrier, sender, len(ready))
        if room is not None:
            room.fulfil(ready)
        else:
            self._offer(owned.carrier, ready)
        answers = iter(accepted)
        return [
            _result(recipient, next(answers)) if refusal is None else _refusal_result(recipient, refusal)
            for recipient, refusal in zip(recipients, refusals, strict=True)
        ]

    async def _accept(
        self, job: AcceptMessages, room: Reservation | None, admission: Admission | None
    ) -> list[Accepted]:
        """Write messages. What was reserved and counted for them is free again when that fails."""
        try:
            return await self._store.write(job)
        except BaseException as error:
            certain = isinstance(error, OverLimit)  # nothing was written
            if room is not None:
                room.fulfil(()) if certain else room.abandon()
            if self._limits is not None and admission is not None:
                self._limits.give_back(admission)
                if isinstance(error, OverLimit):
                    raise self._limits.reached(error.resource, error.counter, error.amount) from error
            raise

    def _not_before(self, to: str, now: int, asked: int | None, by_carrier: bool) -> int | None:
        """Return until when a message is kept here; None: not at all.

        What has to wait for the end of quiet hours is kept here, whoever keeps what its sender planned.
        """
        quiet = self._countries.not_before(to, asked or now) if self._countries else None
        if quiet is not None:
            return quiet
        return None if by_carrier else asked

    def _refusal(self, sender: str, to: str) -> str | None:
        """Return why nothing can be sent to a recipient, in words, or None."""
        if parse_e164(to) is None:
            return MALFORMED
        refusal = self._countries.refusal(sender, to) if self._countries else None
        return None if refusal is None else f"{SENDER_NOT_ALLOWED}: {refusal}"


def _sifted(
    recipients: Sequence[Recipient],
    refusals: Sequence[str | Refusal | None],
    valid: Sequence[Recipient],
    verdicts: Sequence[Charge | Refusal],
) -> tuple[Sequence[str | Refusal | None], Sequence[Recipient]]:
    """Return all refusals, those by limits too, and who is left. Raises what says why when nobody is."""
    if not any(isinstance(verdict, Refusal) for verdict in verdicts):
        return refusals, valid
    told = iter(verdicts)
    sifted = [refusal if refusal is not None else _refused(next(told)) for refusal in refusals]
    left = [recipient for recipient, refusal in zip(recipients, sifted, strict=True) if refusal is None]
    if not left:
        raise _nothing_to_send(sifted)
    return sifted, left


def _refused(verdict: Charge | Refusal) -> Refusal | None:
    return verdict if isinstance(verdict, Refusal) else None


def _charges(admission: Admission | None, valid: Sequence[Recipient]) -> Sequence[Charge | None]:
    if admission is None:
        return [None] * len(valid)
    return [one for one in admission.verdicts if isinstance(one, Charge)]


def _refusal_result(recipient: Recipient, refusal: str | Refusal) -> Result:
    return Result(recipient.to, 403 if isinstance(refusal, Refusal) else 400, error=str(refusal))


def _nothing_to_send(refusals: Sequence[str | Refusal | None]) -> CallerError:
    """Return the error of a request none of whose recipients can be sent to."""
    for refusal in refusals:
        if isinstance(refusal, Refusal):
            return forbids(refusal)
    others = [refusal for refusal in refusals if isinstance(refusal, str) and refusal != MALFORMED]
    if not others:
        return InvalidRequest(f"smsRecipients: {MALFORMED}", target="smsRecipients")
    message = others[0].removeprefix(f"{SENDER_NOT_ALLOWED}: ")
    return InvalidRequest(message, code=SENDER_NOT_ALLOWED, target="from")


def _measure(body: str | bytes, encode: Encode, options: Options) -> tuple[Alphabet, int]:
    """Return a body's alphabet and number of parts. Raises InvalidRequest for one that cannot be sent."""
    if isinstance(body, str):
        target = "message"
        if len(body) * 2 > MAX_TEXT and len(body.encode("utf-16-le", "surrogatepass")) > MAX_TEXT * 2:
            raise InvalidRequest(f"message: It must have at most {MAX_TEXT} characters.", target=target)
    else:
        target = "tandem.data"
        if not 1 <= len(body) <= MAX_DATA:
            raise InvalidRequest(f"{target}: It must have 1 to {MAX_DATA} octets.", target=target)
    try:
        parts = encode(body) if options.envelope is BARE else encode(body, options.envelope)
    except InvalidHeader as error:
        raise InvalidRequest(f"tandem.udh: {error.message}", target="tandem.udh") from error
    except InvalidRequest as error:
        raise InvalidRequest(f"{target}: {error.message}", target=target) from error
    if options.max_parts is not None and parts.segments > options.max_parts:
        raise InvalidRequest(
            f"{target}: It needs {parts.segments} parts, more than tandem.maxParts says.", target=target
        )
    return parts.alphabet, parts.segments


def _result(recipient: Recipient, answer: Accepted) -> Result:
    if answer.id is None:
        return Result(recipient.to, 412, repeatability="rejected", error=answer.refused)
    repeatability = "accepted" if recipient.repeat is not None else None
    if answer.refused:
        identifier = wire_id(answer.id, "outbound")  # its delivery report tells the same
        return Result(recipient.to, 400, identifier, repeatability, answer.refused)
    return Result(recipient.to, 202, wire_id(answer.id, "outbound"), repeatability)
