"""The verbs behind cancelling and re-queueing a message."""

from collections.abc import Callable, Sequence
from typing import Final

from sms.message import Outbound
from sms.settings import SmsSettings
from sms.store.finish import Finisher
from sms.store.life import CancelMessage, RequeueMessage
from telephony.kernel.clock import SECOND, Clock
from telephony.kernel.ids import InteractionId, NodeId, ResourceId
from telephony.kernel.store import Store

SOURCE: Final = "admin"
"""Who did it, in timelines."""


class MessageLife:
    """Take messages back, or have them sent again.

    `cancelled` is told of a message its carrier's dispatcher must not send any more, `offer` hands one over.
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
    ) -> None:
        self._store = store
        self._clock = clock
        self._node = node
        self._settings = settings
        self._finisher = finisher
        self._ended = ended
        self._offer = offer
        self._cancelled = cancelled

    async def cancel(self, resource: ResourceId, identifier: InteractionId) -> None:
        """Take a message back; once this returns, nothing of it is sent.

        Raises NotFound, Conflict when it is being sent or is over, Unavailable when the store is away.
        """
        job = CancelMessage(self._finisher(), resource, identifier, self._clock.now(), SOURCE)
        finisher, carrier = await self._store.write(job)
        self._ended(finisher)
        self._cancelled(carrier, identifier)

    async def requeue(self, resource: ResourceId, identifier: InteractionId) -> None:
        """Have a message sent again, valid as long as a new one.

        Raises NotFound, Conflict when it is not over, was delivered, its text is gone or its recipient has
        opted out, Unavailable when the store is away.
        """
        now = self._clock.now()
        expires = now + self._settings.validity_seconds * SECOND
        job = RequeueMessage(self._node, resource, identifier, now, expires, SOURCE)
        carrier, message = await self._store.write(job)
        self._offer(carrier, [message])
