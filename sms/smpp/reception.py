"""Others bind to us: the shell around the gate. Lets accounts in, keeps to their limits, knows their binds.

What their messages become is the message plane's: it gives an `AccountHandler`.

    reception = Reception(gate, handler, clock=clock)
    server = SmppServer(reception, ServerSettings(), clock=clock)
    await server.start(host, port, tls)
"""

from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import structlog

from sms.rates import SLACK_SECONDS, Bucket
from sms.smpp.constants import CommandStatus
from sms.smpp.errors import LinkFull
from sms.smpp.gate import Account, Gate
from sms.smpp.pdu import DeliverSm, SubmitSm
from sms.smpp.server import ServerConnection
from sms.smpp.states import BindType
from telephony.kernel.clock import Clock

BURST_SECONDS: Final = 1.0
"""An account may send a second's worth at once: clients count by the second and send by the window."""

_log = structlog.get_logger(__name__)


class AccountHandler(Protocol):
    """What becomes of what accounts send. Called from the event loop; to be quick, and not to raise."""

    def submitted(self, account: str, pdu: SubmitSm, answer: "Answer") -> None:
        """Take a submit_sm; call `answer` once it is safe, or refused."""

    def may_deliver(self, account: str) -> None:
        """Learn that `Reception.room` of the account is above 0 again: send what was stored for it."""

    def deliver_answered(self, account: str, token: Any, status: int) -> None:  # noqa: ANN401
        """Take the account's answer to a deliver_sm."""

    def deliver_lost(self, account: str, token: Any, reason: str) -> None:  # noqa: ANN401
        """Learn that a deliver_sm will not be answered: whether the account took it is unknown."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The way back to who sent a submit_sm: it may come late, or when the bind is gone."""

    conn: ServerConnection
    sequence: int

    def __call__(self, status: int = 0, message_id: str = "") -> bool:
        """Answer; return False when that was done before or the bind is over.

        Raises FieldError when `message_id` has more than 64 characters.
        """
        return self.conn.answer_submit(self.sequence, status, message_id)


@dataclass(slots=True)
class Counts:
    """What was done with an account since the start."""

    submitted: int = 0
    throttled: int = 0
    delivered: int = 0
    """deliver_sm that it took."""
    refused_binds: int = 0


@dataclass(slots=True)
class _Present:
    """An account that has binds, or had."""

    counts: Counts = field(default_factory=Counts)
    binds: list[ServerConnection] = field(default_factory=list)
    bucket: Bucket | None = None
    per_second: float | None = None


class Reception:
    """Everybody who is bound to us. A `sms.smpp.server.ServerHandler`."""

    def __init__(self, gate: Gate, handler: AccountHandler, *, clock: Clock) -> None:
        self._gate = gate
        self._handler = handler
        self._clock = clock
        self._present: dict[str, _Present] = {}

    # For the message plane

    def room(self, account: str) -> int:
        """Return how many deliver_sm an account takes now; 0 when no bind of its receives."""
        present = self._present.get(account)
        return 0 if present is None else sum(max(conn.room, 0) for conn in present.binds)

    def deliver(self, account: str, pdu: DeliverSm, token: object) -> None:
        """Send a deliver_sm over the bind with most room; `deliver_answered` or `deliver_lost` will follow.

        Raises LinkFull when `room` is 0, FieldError when a field does not fit; then nothing was sent.
        """
        present = self._present.get(account)
        conn = max(present.binds, key=lambda each: each.room, default=None) if present else None
        if conn is None or conn.room <= 0:
            raise LinkFull(f"account {account} has no room")
        conn.deliver(pdu, token)

    def dismiss(self, account: str) -> None:
        """Unbind an account everywhere: it was removed, or its password changed."""
        present = self._present.get(account)
        for conn in list(present.binds) if present else ():
            conn.unbind()

    def counts(self) -> dict[str, Counts]:
        """Return what was done, by account."""
        return {name: present.counts for name, present in self._present.items()}

    # ServerHandler

    def bind(
        self, conn: ServerConnection, system_id: str, password: str, bind_type: BindType, peer: str
    ) -> int:
        """Ask the gate."""
        verdict = self._gate.bind(system_id, password, bind_type, peer, self._clock.monotonic())
        if verdict.account is None:
            _log.warning("smpp.bind_refused", system_id=system_id, peer=peer, reason=verdict.reason)
            if system_id in self._present:  # names that nobody has must not fill the memory
                self._present[system_id].counts.refused_binds += 1
            return int(verdict.status)
        present = self._present.setdefault(system_id, _Present())
        self._limit(present, verdict.account)
        conn.session.limit(verdict.account.window, verdict.account.max_unanswered)
        present.binds.append(conn)
        return 0

    def submit(self, conn: ServerConnection, pdu: SubmitSm, sequence: int) -> None:
        """Keep to the account's rate; hand over the rest."""
        present = self._present[conn.system_id]
        bucket = present.bucket
        if bucket is not None:
            now = self._clock.monotonic()
            if bucket.wait(now) > 0.0:
                present.counts.throttled += 1
                conn.answer_submit(sequence, CommandStatus.ESME_RTHROTTLED)
                return
            bucket.take(now)
        present.counts.submitted += 1
        self._handler.submitted(conn.system_id, pdu, Answer(conn, sequence))

    def deliver_answered(self, conn: ServerConnection, token: Any, status: int) -> None:  # noqa: ANN401
        """See ServerHandler."""
        self._present[conn.system_id].counts.delivered += status == CommandStatus.ESME_ROK
        self._handler.deliver_answered(conn.system_id, token, status)

    def deliver_lost(self, conn: ServerConnection, token: Any, reason: str) -> None:  # noqa: ANN401
        """See ServerHandler."""
        self._handler.deliver_lost(conn.system_id, token, reason)

    def window_open(self, conn: ServerConnection) -> None:
        """See ServerHandler."""
        self._handler.may_deliver(conn.system_id)

    def closed(self, conn: ServerConnection, reason: str) -> None:
        """See ServerHandler."""
        self._present[conn.system_id].binds.remove(conn)
        self._gate.unbound(conn.system_id)

    def _limit(self, present: _Present, account: Account) -> None:
        if present.per_second != account.per_second:
            rate = account.per_second
            present.per_second = rate
            present.bucket = (
                None if rate is None else Bucket(rate, max(BURST_SECONDS - 1 / rate, SLACK_SECONDS))
            )
