"""Others bind to us: the shell around the gate. Lets accounts in, keeps to their limits, knows their binds.

What their messages become is the message plane's: it gives an `AccountHandler`. Where several gateways share
a database, `Shares` tell what an account has at the others.

    reception = Reception(gate, handler, clock=clock)
    server = SmppServer(reception, ServerSettings(), clock=clock)
    await server.start(host, port, tls)
"""

import asyncio
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import structlog

from sms.rates import SLACK_SECONDS, Bucket
from sms.smpp.constants import CommandStatus
from sms.smpp.errors import LinkFull
from sms.smpp.gate import Account, Gate
from sms.smpp.layout import RESPONSES
from sms.smpp.pdu import DataSm, DataSmResp, DeliverSm, Pdu, SubmitSm, SubmitSmResp
from sms.smpp.server import ServerConnection
from sms.smpp.states import BindType
from telephony.kernel.clock import Clock
from telephony.kernel.errors import Unavailable

BURST_SECONDS: Final = 1.0
"""An account may send a second's worth at once: clients count by the second and send by the window."""

ENQUIRIES_PER_SECOND: Final = 100.0
"""query_sm, cancel_sm and replace_sm of one account: each asks the store, and none is a message."""

_log = structlog.get_logger(__name__)


class AccountHandler(Protocol):
    """What becomes of what accounts send. Called from the event loop; to be quick, and not to raise."""

    def submitted(self, account: str, pdu: SubmitSm | DataSm | DeliverSm, answer: "Answer") -> None:
        """Take a message; call `answer` once it is safe, or refused."""

    def enquired(self, account: str, pdu: Pdu, answer: "Answer") -> None:
        """Take a query_sm, cancel_sm or replace_sm; call `answer` or `answer.by`."""

    def may_deliver(self, account: str) -> None:
        """Learn that `Reception.room` of the account is above 0 again: send what was stored for it."""

    def deliver_answered(self, account: str, token: Any, status: int) -> None:  # noqa: ANN401
        """Take the account's answer to a deliver_sm."""

    def deliver_lost(self, account: str, token: Any, reason: str) -> None:  # noqa: ANN401
        """Learn that a deliver_sm will not be answered: whether the account took it is unknown."""

    def left(self, account: str) -> None:
        """Learn that a bind of the account's is over: it may not have got the last answers."""


class Shares(Protocol):
    """What several gateways agree about the accounts that are bound to all of them."""

    async def take(self, system_id: str, binds: int) -> float | None:
        """Let an account have `binds` binds here; return how many messages a second it may send here.

        Infinite when it has no limit; None when it has its binds elsewhere. Raises Unavailable.
        """
        ...

    def changed(self) -> None:
        """Learn that an account has fewer binds here."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """The way back to who sent a request: it may come late, or when the bind is gone."""

    conn: ServerConnection
    sequence: int
    kind: type[Pdu] = SubmitSmResp
    """The response that the request asks for."""

    def __call__(self, status: int = 0, message_id: str = "") -> bool:
        """Answer; return False when that was done before or the bind is over.

        Raises FieldError when `message_id` has more than 64 characters. Responses that have none leave it
        out.
        """
        if self.kind is SubmitSmResp:
            return self.conn.answer_submit(self.sequence, status, message_id)
        return self.by(DataSmResp(message_id) if self.kind is DataSmResp else self.kind(), status)

    def by(self, pdu: Pdu, status: int = 0) -> bool:
        """Answer by a response with fields of its own."""
        return self.conn.answer(self.sequence, status, pdu)


@dataclass(slots=True)
class Counts:
    """What was done with an account since the start."""

    submitted: int = 0
    throttled: int = 0
    delivered: int = 0
    """deliver_sm that it took."""
    refused_binds: int = 0
    enquiries: int = 0
    """query_sm, cancel_sm, replace_sm."""


@dataclass(slots=True)
class _Present:
    """An account that has binds, or had."""

    counts: Counts = field(default_factory=Counts)
    binds: list[ServerConnection] = field(default_factory=list)
    bucket: Bucket | None = None
    per_second: float | None = None
    enquiries: Bucket = field(default_factory=lambda: Bucket(ENQUIRIES_PER_SECOND, BURST_SECONDS))


class Reception:
    """Everybody who is bound to us. A `sms.smpp.server.ServerHandler`."""

    def __init__(
        self, gate: Gate, handler: AccountHandler, *, clock: Clock, shares: Shares | None = None
    ) -> None:
        """`shares` is needed only where other gateways take binds of the same accounts."""
        self._gate = gate
        self._handler = handler
        self._clock = clock
        self._shares = shares
        self._asking: set[asyncio.Task[None]] = set()
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

    def binds(self) -> dict[str, int]:
        """Return how many binds each account has here, of those that have or had any."""
        return {name: self._gate.binds(name) for name in self._present}

    def allow(self, account: str, per_second: float) -> None:
        """Take an account's share of its rate: what other gateways leave to this one."""
        present = self._present.get(account)
        if present is None or present.bucket is None:
            return
        present.bucket.change(per_second, _slack(per_second))

    # ServerHandler

    def bind(
        self, conn: ServerConnection, system_id: str, password: str, bind_type: BindType, peer: str
    ) -> int | None:
        """Ask the gate, and then what the other gateways have."""
        names = _names(conn.certificate())
        verdict = self._gate.bind(system_id, password, bind_type, peer, self._clock.monotonic(), names)
        if verdict.account is None:
            self._note_refused(system_id, peer, verdict.reason)
            return int(verdict.status)
        if self._shares is not None:
            asking = asyncio.get_running_loop().create_task(self._share(self._shares, conn, verdict.account))
            self._asking.add(asking)
            asking.add_done_callback(self._asking.discard)
            return None
        self._let_in(conn, verdict.account)
        return 0

    async def _share(self, shares: Shares, conn: ServerConnection, account: Account) -> None:
        """Let somebody in whom the gate lets in, if the other gateways leave room."""
        name = account.system_id
        per_second: float | None = None
        status = int(CommandStatus.ESME_RSYSERR)
        try:
            per_second = await shares.take(name, self._gate.binds(name))
            if per_second is None:
                status = int(CommandStatus.ESME_RALYBND)
                self._note_refused(name, conn.peer(), f"has {account.max_binds} binds already")
        except Unavailable:
            pass  # it comes again; without the store nothing could be taken from it anyway
        except Exception:  # unanswered, the bind would count until the next start
            _log.exception("smpp.share_failed", system_id=name)
        if per_second is not None and not conn.session.closed:
            self._let_in(conn, account)
            self.allow(name, per_second)
            conn.answer_bind(0)
            return
        conn.answer_bind(status)
        self._gate.unbound(name)
        shares.changed()

    def _let_in(self, conn: ServerConnection, account: Account) -> None:
        present = self._present.setdefault(account.system_id, _Present())
        self._limit(present, account)
        conn.session.limit(account.window, account.max_unanswered)
        present.binds.append(conn)

    def _note_refused(self, system_id: str, peer: str, reason: str) -> None:
        _log.warning("smpp.bind_refused", system_id=system_id, peer=peer, reason=reason)
        if system_id in self._present:  # names that nobody has must not fill the memory
            self._present[system_id].counts.refused_binds += 1

    def submit(self, conn: ServerConnection, pdu: SubmitSm, sequence: int) -> None:
        """Keep to the account's rate; hand over the rest."""
        self._take(conn, pdu, Answer(conn, sequence))

    def request(self, conn: ServerConnection, pdu: Pdu, sequence: int) -> None:
        """Hand over messages as `submit` does, and enquiries within their own rate."""
        answer = Answer(conn, sequence, RESPONSES[pdu.command_id])
        if isinstance(pdu, DataSm | DeliverSm):
            self._take(conn, pdu, answer)
            return
        present = self._present[conn.system_id]
        now = self._clock.monotonic()
        if present.enquiries.wait(now) > 0.0:
            present.counts.throttled += 1
            answer(CommandStatus.ESME_RTHROTTLED)
            return
        present.enquiries.take(now)
        present.counts.enquiries += 1
        self._handler.enquired(conn.system_id, pdu, answer)

    def _take(self, conn: ServerConnection, pdu: SubmitSm | DataSm | DeliverSm, answer: Answer) -> None:
        present = self._present[conn.system_id]
        bucket = present.bucket
        if bucket is not None:
            now = self._clock.monotonic()
            if bucket.wait(now) > 0.0:
                present.counts.throttled += 1
                answer(CommandStatus.ESME_RTHROTTLED)
                return
            bucket.take(now)
        present.counts.submitted += 1
        self._handler.submitted(conn.system_id, pdu, answer)

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
        if self._shares is not None:
            self._shares.changed()
        self._handler.left(conn.system_id)

    def _limit(self, present: _Present, account: Account) -> None:
        if present.per_second != account.per_second:
            rate = account.per_second
            present.per_second = rate
            present.bucket = None if rate is None else Bucket(rate, _slack(rate))


def _slack(per_second: float) -> float:
    return max(BURST_SECONDS - 1 / per_second, SLACK_SECONDS)


def _names(certificate: Mapping[str, Any]) -> Set[str]:
    """Return the names in a verified certificate: those of its subject, and its DNS names."""
    subject = (pair for group in certificate.get("subject", ()) for pair in group)
    return {value for kind, value in (*subject, *certificate.get("subjectAltName", ())) if kind in _NAMED}


_NAMED: Final = frozenset({"commonName", "DNS"})
