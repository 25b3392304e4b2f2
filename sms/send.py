"""The verb behind ACS's Sms send: from a request to messages on disk."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from msgspec import structs

from sms.compliance.countries import CODE as SENDER_NOT_ALLOWED
from sms.compliance.countries import Countries
from sms.message import MAX_DATA, MAX_TEXT, Extras, Outbound, SmsDetail, wire_id
from sms.outgoing import Encode, encoded
from sms.ports import MessageLimits
from sms.reservation import Reservation
from sms.settings import SmsSettings
from sms.shares import Shares
from sms.store.accept import Accepted, AcceptMessages, AcceptTogether, NewMessage
from sms.text import BARE, Alphabet, Concat, Envelope, InvalidHeader
from sms.ways import Batch, NoRoute, Party, find_way
from telephony.kernel import ids
from telephony.kernel.clock import DAY, SECOND, Clock
from telephony.kernel.e164 import parse_e164
from telephony.kernel.errors import CallerError, InvalidRequest, LimitForbids, LimitReached, Unauthorized
from telephony.kernel.http.repeatability import Pair
from telephony.kernel.ids import InteractionId, NodeId, ResourceId
from telephony.kernel.store import Store
from telephony.numbers.directory import NumberDirectory
from telephony.routing.ports import WaysOut
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

    `ways` tell by which carrier each message leaves, `offer` hands committed messages to their carrier's
    dispatcher, `backlog` counts what waits for it, `encoder` returns what encodes a carrier's texts,
    `schedules` tells whether a carrier keeps messages until their time, `reserve` keeps room for messages
    that are being accepted, `limits` tells what may be sent and what it comes to; None: everything, and
    nothing is counted.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        node: NodeId,
        numbers: NumberDirectory,
        ways: WaysOut,
        settings: SmsSettings,
        offer: Callable[[str, Sequence[Outbound]], None],
        backlog: Callable[[str], int],
        encoder: Callable[[str], Encode] = lambda _: encoded,
        schedules: Callable[[str], bool] = lambda _: False,
        reserve: Callable[[str, Sequence[InteractionId]], Reservation | None] = lambda _carrier, _ids: None,
        limits: MessageLimits | None = None,
    ) -> None:
        self._ways = ways
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

        A recipient that is no number, whose country does not take the sender, that no route takes or a limit
        forbids, or that has opted out is refused alone. Raises Unauthorized when the sender is not the
        resource's number or cannot send texts, InvalidRequest when no recipient is a number that the sender
        may reach or the text cannot be sent, NoRoute when no recipient is allowed and no route takes the
        first, LimitReached when too much waits or comes too fast, LimitForbids when no recipient is allowed
        or a limit of the day is reached, Unavailable when the store is away: then nothing was accepted.
        """
        extras = options.extras()
        if options.protocol_id and options.protocol_id not in self._settings.protocol_ids:
            raise InvalidRequest(
                f"tandem.protocolId: {options.protocol_id} is not among the operator's sms.protocol_ids.",
                target="tandem.protocolId",
            )
        measured = _measure(text, encoded, options)
        owned = await self._numbers.find(sender)
        if owned is None or owned.resource != resource:
            raise Unauthorized("The sender is not a phone number of this resource.", target="from")
        if not owned.sends_sms:
            raise Unauthorized("The sender's capabilities do not include outbound SMS.", target="from")
        now = self._clock.now()
        refusals, batches = self._batches(Party(resource, sender, owned.carrier), recipients, now)
        if not batches:
            raise _nothing_to_send(refusals)
        await self._check_backlog(batches, sender)
        leaving = self._measured(batches, measured, text, options)
        if self._limits is not None:
            leaving = self._admitted(self._limits, resource, sender, leaving, refusals)
            if not leaving:
                raise _nothing_to_send(refusals)
        body = text.encode() if isinstance(text, str) else text
        for one in leaving:
            self._write_job(one, resource, sender, recipients, body, options, extras, now, request_id)
        answers = await self._accept(leaving)
        results: list[Result | None] = [None] * len(recipients)
        for one, accepted in zip(leaving, answers, strict=True):
            self._hand_over(one, accepted, text, options, extras)
            for place, answer in zip(one.batch.places, accepted, strict=True):
                results[place] = _result(recipients[place], answer)
        return [
            _refusal_result(recipient, refusal) if result is None else result
            for recipient, refusal, result in zip(recipients, refusals, results, strict=True)
        ]

    async def _check_backlog(self, batches: Sequence[Batch], sender: str) -> None:
        """Raises LimitReached when too much waits for a carrier, Unavailable when the store is away."""
        for batch in batches:
            if self._backlog(batch.carrier) >= self._settings.max_backlog:
                raise LimitReached(
                    f"{self._settings.max_backlog} messages are waiting for the carrier (sms.max_backlog).",
                    limit="sms.max_backlog",
                    retry_after=BACKLOG_RETRY_SECONDS,
                )
            await self._shares.check(batch.carrier, sender, BACKLOG_RETRY_SECONDS)

    def _hand_over(
        self,
        one: "_Leaving",
        accepted: Sequence[Accepted],
        text: str | bytes,
        options: Options,
        extras: Extras | None,
    ) -> None:
        """Give what was accepted to its carrier's dispatcher."""
        carrier, job = one.batch.carrier, one.job
        ready = [
            Outbound(
                message.resource,
                message.id,
                message.own,
                message.peer,
                text,
                job.expires,
                options.report_seconds,
                concat=options.concat,
                priority=options.priority,
                extras=extras,
            )
            for message, answer in zip(job.messages, accepted, strict=True)
            if not answer.refused and not answer.repeated and message.not_before is None
        ]
        if ready:
            self._shares.add(carrier, ready[0].own, len(ready))
        if one.room is not None:
            one.room.fulfil(ready)
        else:
            self._offer(carrier, ready)

    def _batches(
        self, party: Party, recipients: Sequence[Recipient], now: int
    ) -> tuple[list["_Why | None"], Sequence[Batch]]:
        """Return why recipients are refused, one for each, and the others by the carrier they leave by."""
        refusals: list[_Why | None] = []
        batches: dict[str, Batch] = {}
        identifiers = ids.new_ids(now, len(recipients))
        for place, (recipient, identifier) in enumerate(zip(recipients, identifiers, strict=True)):
            refusal: _Why | None = self._refusal(party.sender, recipient.to)
            if refusal is None:
                try:
                    number, hops = find_way(self._ways, party, recipient.to, now, InteractionId(identifier))
                except NoRoute as error:
                    refusal = error
                except InvalidRequest as error:
                    refusal = f"{MALFORMED} {error.message}"
                else:
                    carrier = hops[0].target
                    batch = batches.get(carrier)
                    if batch is None:
                        batch = batches[carrier] = Batch(carrier)
                    batch.places.append(place)
                    batch.ids.append(InteractionId(identifier))
                    batch.numbers.append(number)
                    batch.hops.append(hops)
            refusals.append(refusal)
        return refusals, tuple(batches.values())

    def _measured(
        self,
        batches: Sequence[Batch],
        measured: tuple[Alphabet, int],
        text: str | bytes,
        options: Options,
    ) -> list["_Leaving"]:
        """Return how each carrier takes the text. Raises InvalidRequest when one cannot."""
        leaving = []
        for batch in batches:
            encode = self._encoder(batch.carrier)
            # a carrier with a policy of its own
            alphabet, segments = measured if encode is encoded else _measure(text, encode, options)
            leaving.append(_Leaving(batch, alphabet, segments))
        return leaving

    def _admitted(
        self,
        limits: MessageLimits,
        resource: ResourceId,
        sender: str,
        leaving: Sequence["_Leaving"],
        refusals: list["_Why | None"],
    ) -> list["_Leaving"]:
        """Return what the limits let through, and note what they do not.

        Raises LimitReached, LimitForbids.
        """
        left: list[_Leaving] = []
        try:
            for one in leaving:
                batch = one.batch
                try:
                    admission = limits.messages(resource, batch.carrier, sender, batch.numbers, one.segments)
                except LimitForbids as error:
                    if len(leaving) == 1:
                        raise
                    for place in batch.places:
                        refusals[place] = error
                    continue
                one.admission = admission
                verdicts = admission.verdicts
                if any(isinstance(verdict, Refusal) for verdict in verdicts):
                    for place, verdict in zip(batch.places, verdicts, strict=True):
                        if isinstance(verdict, Refusal):
                            refusals[place] = verdict
                    batch.keep([isinstance(verdict, Charge) for verdict in verdicts])
                if batch.places:
                    left.append(one)
        except BaseException:
            for one in left:  # those before have been counted
                if one.admission is not None:
                    limits.give_back(one.admission)
            raise
        return left

    def _write_job(
        self,
        one: "_Leaving",
        resource: ResourceId,
        sender: str,
        recipients: Sequence[Recipient],
        body: bytes,
        options: Options,
        extras: Extras | None,
        now: int,
        request_id: str,
    ) -> None:
        """Make the job that accepts a batch, and reserve room for it where its carrier is idle."""
        batch = one.batch
        detail = SmsDetail(
            one.segments,
            one.alphabet.value,
            options.tag,
            options.report,
            options.report_seconds,
            options.account,
            options.receipt,
            options.concat,
            options.priority,
            extras,
        )
        validity = detail.valid_seconds(self._settings.validity_seconds)
        asked = options.not_before if options.not_before is not None and options.not_before > now else None
        by_carrier = asked is not None and self._schedules(batch.carrier)
        fresh = [
            NewMessage(
                resource,
                identifier,
                sender,
                number,
                batch.carrier,
                body,
                detail if charge is None or not charge.cost_currency else _costing(detail, charge),
                recipients[place].repeat,
                self._not_before(number, now, asked, by_carrier),
                charge,
                hops[0].route,
                () if len(hops) == 1 else tuple([hop.target for hop in hops[1:]]),
            )
            for place, identifier, number, hops, charge in zip(
                batch.places, batch.ids, batch.numbers, batch.hops, _charges(one), strict=True
            )
        ]
        times = [message.not_before for message in fresh if message.not_before is not None]
        last = max([asked or now, *times])
        # What nothing waits before is claimed by the write that accepts it.
        one.room = None if times else self._reserve(batch.carrier, batch.ids)
        one.made = AcceptMessages(
            self._node,
            now,
            request_id,
            (asked if asked is not None and by_carrier else now) + validity * SECOND,
            # What is to be sent must be there.
            max(now + self._settings.body_days * DAY, last + self._settings.validity_seconds * SECOND),
            fresh,
            options.source,
            claimed=one.room is not None,
            counters=() if one.admission is None else one.admission.counters,
        )

    async def _accept(self, leaving: Sequence["_Leaving"]) -> Sequence[list[Accepted]]:
        """Write messages. What was reserved and counted for them is free again when that fails."""
        try:
            if len(leaving) == 1:
                return [await self._store.write(leaving[0].job)]
            return await self._store.write(AcceptTogether([one.job for one in leaving]))
        except BaseException as error:
            certain = isinstance(error, OverLimit)  # nothing was written
            for one in leaving:
                if one.room is not None:
                    one.room.fulfil(()) if certain else one.room.abandon()
                if self._limits is not None and one.admission is not None:
                    self._limits.give_back(one.admission)
            if self._limits is not None and isinstance(error, OverLimit):
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


@dataclass(slots=True)
class _Leaving:
    """A batch on its way into the store."""

    batch: Batch
    alphabet: Alphabet
    segments: int
    admission: Admission | None = None
    room: Reservation | None = None
    made: AcceptMessages | None = None

    @property
    def job(self) -> AcceptMessages:
        assert self.made is not None
        return self.made


_Why = str | Refusal | CallerError
"""Why nothing is sent to a recipient; in words: it is no number, or its country does not take the sender."""


def _charges(one: _Leaving) -> Sequence[Charge | None]:
    if one.admission is None:
        return [None] * len(one.batch.ids)
    return [each for each in one.admission.verdicts if isinstance(each, Charge)]


def _costing(detail: SmsDetail, charge: Charge) -> SmsDetail:
    return structs.replace(detail, cost=charge.cost, cost_currency=charge.cost_currency)


def _refusal_result(recipient: Recipient, refusal: _Why | None) -> Result:
    if isinstance(refusal, CallerError):
        return Result(recipient.to, refusal.status, error=refusal.message)
    return Result(recipient.to, 403 if isinstance(refusal, Refusal) else 400, error=str(refusal))


def _nothing_to_send(refusals: Sequence[_Why | None]) -> CallerError:
    """Return the error of a request none of whose recipients can be sent to."""
    for refusal in refusals:
        if isinstance(refusal, Refusal):
            return forbids(refusal)
        if isinstance(refusal, CallerError):
            return refusal
    words = [refusal for refusal in refusals if isinstance(refusal, str)]
    others = [refusal for refusal in words if not refusal.startswith(MALFORMED)]
    if not others:
        said = words[0] if words else MALFORMED
        return InvalidRequest(f"smsRecipients: {said}", target="smsRecipients")
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
