"""What became of the messages of one carrier, on its way into the store: written in batches, in order."""

from collections.abc import Callable, Sequence
from typing import Any

import structlog

from sms.gather import Gather
from sms.message import Outbound
from sms.outgoing import Unit
from sms.receipts import match_id
from sms.settings import SmsSettings
from sms.states import MessageEvent
from sms.store.finish import Finisher
from sms.store.submit import Ended, Noted, Outcome, RecordOutcomes, Submitted
from sms.timing import receipt_wait
from telephony.kernel.clock import Clock
from telephony.kernel.ids import InteractionId
from telephony.kernel.store import Store

log = structlog.get_logger(__name__)


class Outcomes:
    """Takes what happened; `forget` is told of each message that is nobody's to send any more, once that is
    on disk, and `ended` gets the finishers."""

    def __init__(
        self,
        carrier: str,
        *,
        store: Store,
        clock: Clock,
        settings: SmsSettings,
        finisher: Callable[[], Finisher],
        ended: Callable[[Finisher], None],
        forget: Callable[[InteractionId], None],
    ) -> None:
        self._carrier, self._clock, self._settings = carrier, clock, settings
        self._ended, self._forget = ended, forget
        self._gather: Gather[Outcome, Finisher] = Gather(
            store,
            lambda batch: RecordOutcomes(finisher(), batch),
            done=self._written,
            failed=self._unwritten,
            persistent=True,
        )

    def __len__(self) -> int:
        return len(self._gather)

    async def flush(self) -> None:
        """Wait until everything taken so far is written or failed."""
        await self._gather.flush()

    def taken(self, link: str, unit: Unit, remote_id: str) -> None:
        """Learn that the carrier took a part."""
        message, part = unit.message, unit.part
        message.done.add(part.number)
        now = self._clock.now()
        wait = message.report_seconds or self._settings.report_seconds
        if message.extras is not None:
            wait = receipt_wait(message, wait, now)
        self._gather.add(
            Submitted(
                (message.resource, message.id),
                part.number,
                part.total,
                self._carrier,
                link,
                match_id(remote_id),
                now,
                len(message.done) == part.total and not message.over,
                wait,
                message.over,
            )
        )

    def expire(self, message: Outbound) -> None:
        """Learn that a message's validity ran out."""
        reason = "validity ran out before submission"
        if not message.untouched:
            reason = "validity ran out; the carrier may have it"
        self.end(message, MessageEvent.EXPIRE, "dispatcher", reason)

    def end(self, message: Outbound, event: MessageEvent, source: str, reason: str) -> None:
        """End a message of which the carrier did not take all; one that is over stays as it ended."""
        if message.over:
            return
        message.over = True
        key = (message.resource, message.id)
        self._gather.add(Ended(key, event, self._clock.now(), source, reason, succeeded=len(message.done)))

    def note(self, message: Outbound, source: str, kind: str, data: Any) -> None:  # noqa: ANN401 - JSON
        """Learn what changes no state and is worth an entry in the timeline."""
        self._gather.add(Noted((message.resource, message.id), self._clock.now(), source, kind, data))

    def _written(self, batch: Sequence[Outcome], finisher: Finisher) -> None:
        for outcome in batch:
            if isinstance(outcome, Ended) or (isinstance(outcome, Submitted) and outcome.last):
                self._forget(outcome.key[1])
        self._ended(finisher)

    def _unwritten(self, batch: Sequence[Outcome]) -> None:
        # The store stops, or cannot take them: such messages are found as SUBMITTING at the next start.
        log.error("dispatch.outcomes_unwritten", carrier=self._carrier, count=len(batch))
