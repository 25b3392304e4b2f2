"""An account with its binds: the shell that sends what waits for it."""

import asyncio
from collections.abc import Callable, Iterable

import structlog
from msgspec import Struct, structs

from carriers.simulated.account import Account
from carriers.simulated.deliveries import Delivery, as_data_sm
from carriers.simulated.journal import Kind
from carriers.simulated.outbox import Outbox, Verdict
from carriers.simulated.profiles import Profile
from carriers.simulated.settings import SimulatedAccount, SimulatedSettings
from carriers.simulated.wild import WildConnection
from sms.smpp.constants import CommandStatus
from telephony.kernel.clock import Clock

Note = Callable[[Kind, str, Delivery, int], None]
"""Takes what happened, the system_id, the delivery, and a status."""

_log = structlog.get_logger(__name__)


class Counts(Struct):
    """What was done since the start."""

    submitted: int = 0
    """submit_sm accepted."""
    refused: int = 0
    """submit_sm answered with an error."""
    receipts: int = 0
    """deliver_sm with a receipt sent, repetitions included."""
    texts: int = 0
    """deliver_sm with a handset's text sent, repetitions included."""
    answered: int = 0
    """deliver_sm taken by the account."""
    given_up: int = 0
    """deliver_sm that had all their tries."""
    dropped: int = 0
    """deliver_sm that found no place in the queue."""
    pending: int = 0
    """deliver_sm not done now."""
    binds: int = 0
    """Binds now."""


class Served:
    """An account with its binds and what is on its way to it."""

    def __init__(
        self,
        system_id: str,
        configured: SimulatedAccount,
        profile: Profile,
        settings: SimulatedSettings,
        *,
        clock: Clock,
        next_id: Callable[[], int],
        note: Note,
    ) -> None:
        """`next_id` gives the carrier's message ids, `note` takes what is to stand in the journal."""
        self.system_id = system_id
        self.password = configured.password.reveal().encode()
        self.account = Account(
            profile,
            next_id,
            per_second=configured.per_second,
            mono=clock.monotonic(),
            slow=settings.slow_seconds,
        )
        self.outbox = Outbox(settings.max_pending, settings.max_tries, settings.retry_seconds)
        self.counts = Counts()
        self.binds: list[WildConnection] = []
        self.binds_to_refuse = profile.refused_binds
        self.lost: list[Delivery] = []
        """What flew on a bind that is just ending."""
        self._clock = clock
        self._note = note
        self._pump_due = False
        self._timer: asyncio.TimerHandle | None = None

    def stats(self) -> Counts:
        """Return the counts as they are now."""
        return structs.replace(self.counts, pending=len(self.outbox), binds=len(self.binds))

    def queue(self, deliveries: Iterable[Delivery], due: float | None = None) -> None:
        """Take what is to be delivered, now or at `due`; what finds no place is dropped and counted."""
        for delivery in deliveries:
            if not self.outbox.add(delivery, due):
                self.counts.dropped += 1
                self._note("dropped", self.system_id, delivery, 0)

    def pump_soon(self) -> None:
        """Send once this turn of the loop is over, so that many messages share one round."""
        if not self._pump_due:
            self._pump_due = True
            asyncio.get_running_loop().call_soon(self._pump_later)

    def _pump_later(self) -> None:
        self._pump_due = False
        self.pump()

    def pump(self) -> None:
        """Send whatever is due and finds room."""
        self.stop()
        now = self._clock.monotonic()
        room_left = False
        for conn in self.binds:
            room = conn.room
            if room <= 0:
                continue
            for delivery in self.outbox.take(now, room):
                self._send(conn, delivery)
            room_left = room_left or conn.room > 0
        due = self.outbox.next_due
        if due is not None and room_left:  # without room, `window_open` comes instead of the timer
            self._timer = asyncio.get_running_loop().call_later(max(due - now, 0.0), self.pump)
        if len(self.binds) > 1:
            self.binds.append(self.binds.pop(0))  # the next round begins with another

    def stop(self) -> None:
        """Wait for nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _send(self, conn: WildConnection, delivery: Delivery) -> None:
        if delivery.kind == "receipt":
            self.counts.receipts += 1
        else:
            self.counts.texts += 1
        self._note(delivery.kind, self.system_id, delivery, 0)
        pdu = as_data_sm(delivery.pdu) if self.account.profile.by_data_sm else delivery.pdu
        conn.deliver_as(pdu, delivery)

    def answered(self, delivery: Delivery, status: int) -> None:
        """Take the answer to a delivery, or UNANSWERED."""
        self._note("answered", self.system_id, delivery, status)
        verdict = self.outbox.answered(delivery, status == CommandStatus.ESME_ROK, self._clock.monotonic())
        if verdict is Verdict.DONE:
            self.counts.answered += 1
        elif verdict is Verdict.GIVEN_UP:
            self.counts.given_up += 1
            self._note("given-up", self.system_id, delivery, status)
            _log.warning("carrier.given_up", system_id=self.system_id, message=delivery.message_id)
        if self.outbox:
            self.pump_soon()
