"""The verbs behind cancelling, re-queueing and replacing a message."""

from collections.abc import Callable, Sequence
from typing import Final

from sms.compliance.countries import Countries
from sms.message import Outbound
from sms.outgoing import Encode, encoded
from sms.rerouting import Rerouting
from sms.settings import SmsSettings
from sms.store.finish import Finisher
from sms.store.life import CancelMessage, RequeueMessage
from sms.store.replace import Replacement, ReplaceMessage, Resume
from sms.store.waiting import FindOutbound
from sms.text import Envelope
from telephony.kernel.clock import Clock
from telephony.kernel.errors import Unavailable
from telephony.kernel.ids import InteractionId, NodeId, ResourceId
from telephony.kernel.store import Store

SOURCE: Final = "admin"
"""Who did it, in timelines, unless somebody else is named."""


class MessageLife:
    """Take messages back, or have them sent again.

    `cancelled` is told of a message its carrier's dispatcher must not send any more, `offer` hands one over,
    `encoder` returns what encodes a carrier's texts; `rerouting` tells by which carrier what is sent again
    goes now, None: by the same.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        node: NodeId,
        settings: SmsSettings,
        finisher: Callable[[], Finisher],
        ended: Callable[[Finisher], None],
        offer: Callable[[str, Sequence[Outbound]], None],
        cancelled: Callable[[str, InteractionId], None],
        rerouting: Rerouting | None = None,
        encoder: Callable[[str], Encode] = lambda _: encoded,
    ) -> None:
        self._store = store
        self._clock = clock
        self._node = node
        self._settings = settings
        self._finisher = finisher
        self._ended = ended
        self._offer = offer
        self._cancelled = cancelled
        self._rerouting = rerouting
        self._encoder = encoder
        self._countries = Countries(settings.compliance.countries)

    async def cancel(self, resource: ResourceId, identifier: InteractionId, source: str = SOURCE) -> None:
        """Take a message back; once this returns, nothing of it is sent.

        Raises NotFound, Conflict when it is being sent or is over, Unavailable when the store is away.
        """
        job = CancelMessage(self._finisher(), resource, identifier, self._clock.now(), source)
        finisher, carrier = await self._store.write(job)
        self._ended(finisher)
        self._cancelled(carrier, identifier)

    async def requeue(self, resource: ResourceId, identifier: InteractionId) -> None:
        """Have a message sent again, valid as long as a new one, and not before its time.

        The routes in force decide by which carrier. Raises NotFound, Conflict when it is not over, was
        delivered, its text is gone or its recipient has opted out, NoRoute when none takes it, Unavailable
        when the store is away.
        """
        now, validity = self._clock.now(), self._settings.validity_seconds
        by = None
        found = (
            None if self._rerouting is None else await self._store.read(FindOutbound(resource, identifier))
        )
        if found is not None and self._rerouting is not None:
            by = await self._rerouting.again(*found)
        job = RequeueMessage(self._node, resource, identifier, now, validity, SOURCE, by)
        carrier, message = await self._store.write(job)
        if message is not None:
            self._offer(carrier, [message])

    async def replace(
        self,
        resource: ResourceId,
        identifier: InteractionId,
        text: str,
        *,
        carrier: str,
        to: str,
        envelope: Envelope,
        receipt: int,
        not_before: int | None,
        validity_seconds: int | None,
        source: str,
    ) -> None:
        """Put another text into a message, on its way to `to` by `carrier`, that was not sent yet.

        Once this returns, nothing of the old text is sent. `not_before` and `validity_seconds` are as before
        when they are None. Raises NotFound, Conflict when the message is being sent, is over or is another
        gateway's, InvalidRequest when the text cannot be sent, Unavailable when the store is away.
        """
        parts = self._encoder(carrier)(text, envelope)
        if not_before is not None and self._countries:
            not_before = self._countries.not_before(to, not_before) or not_before
        new = Replacement(text, parts.alphabet.value, parts.segments, receipt, not_before, validity_seconds)
        now, validity = self._clock.now(), self._settings.validity_seconds
        job = ReplaceMessage(self._node, resource, identifier, now, validity, new, source)
        try:
            replaced = await self._store.write(job)
        except Unavailable:
            self._cancelled(carrier, identifier)  # done perhaps: the store knows which text it has
            raise
        self._cancelled(carrier, identifier)
        if replaced.expires is None:
            return
        # Claims that were on their way with the old text are through, in vain, once this is.
        resume = Resume(self._node, resource, identifier, replaced, replaced.expires)
        message = await self._store.write_until_done(resume)
        if message is not None:
            self._offer(replaced.carrier, [message])
