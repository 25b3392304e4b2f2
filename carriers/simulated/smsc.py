"""The SMSC: the shell around accounts. Lets them bind, carries out what they decide, keeps the journal."""

import asyncio
from hmac import compare_digest
from typing import Any, Final

import structlog
from msgspec import Struct

from carriers.simulated.account import Act, Decision, address_of
from carriers.simulated.deliveries import VENDOR, Delivery, payload_of
from carriers.simulated.journal import UNANSWERED, Entry, Journal, Kind, asked_of, describe
from carriers.simulated.served import Counts, Served
from carriers.simulated.settings import SimulatedSettings, check
from carriers.simulated.wild import WildConnection
from sms.smpp.constants import CommandStatus, EsmClass
from sms.smpp.pdu import DeliverSm, GenericNack, Pdu, SubmitSm, SubmitSmResp
from sms.smpp.server import ServerConnection, ServerSettings, SmppServer
from sms.smpp.states import BindType
from sms.text import BARE, Envelope, sar
from telephony.kernel.clock import Clock
from telephony.kernel.errors import InvalidRequest, NotFound, Unavailable

MAX_UNANSWERED: Final = 100_000
"""submit_sm without a response on one bind: those to the number that is never answered pile up until the bind
ends. 100 octets each."""

MAX_UNBOUND: Final = 1000
"""Connections of one address that have not bound: every test comes from one."""

_UDHI: Final = int(EsmClass.UDHI)

_log = structlog.get_logger(__name__)


class Stats(Struct, frozen=True):
    """Counts of all accounts together and of each."""

    total: Counts
    accounts: dict[str, Counts]


class Smsc:
    """A carrier that lives in this process. A `sms.smpp.server.ServerHandler`."""

    def __init__(self, settings: SimulatedSettings, *, clock: Clock, journal: Journal | None = None) -> None:
        """Raises ConfigurationError for settings that cannot be used."""
        profiles = check(settings)
        self.settings = settings
        self.clock = clock
        self.port = 0
        """The port it listens on, once started."""
        self._journal = journal
        self._journal_due = False
        self._last_id = clock.now()  # below a million messages a second, a later start begins past every id
        self._served = {
            system_id: Served(
                system_id,
                account,
                profiles[system_id],
                settings,
                clock=clock,
                next_id=self.next_id,
                note=self._note_delivery,
            )
            for system_id, account in settings.accounts.items()
        }
        self._server = SmppServer(
            self,
            ServerSettings(
                system_id="simulated",
                window=settings.window,
                max_unanswered=MAX_UNANSWERED,
                bind_seconds=settings.bind_seconds,
                enquire_link_seconds=settings.enquire_link_seconds,
                response_seconds=settings.response_seconds,
                max_unbound=MAX_UNBOUND,
            ),
            clock=clock,
            accept=WildConnection,
        )

    async def start(self) -> None:
        """Listen; raises OSError when that cannot be."""
        self.port = await self._server.start(self.settings.host, self.settings.port)

    async def stop(self) -> None:
        """Unbind everybody and close. What was not delivered is gone."""
        await self._server.stop()
        for served in self._served.values():
            served.stop()
        self._flush_journal()

    def next_id(self) -> int:
        """Return a message's number that was never given before."""
        self._last_id += 1
        return self._last_id

    def stats(self) -> Stats:
        """Return what was done."""
        accounts = {system_id: served.stats() for system_id, served in self._served.items()}
        names = Counts.__struct_fields__
        total = Counts(*(sum(getattr(counts, name) for counts in accounts.values()) for name in names))
        return Stats(total, accounts)

    def inbound(
        self,
        body: str | bytes,
        source: str,
        destination: str,
        system_id: str = "",
        envelope: Envelope = BARE,
    ) -> tuple[str, int]:
        """Let `source` send a text or octets to `destination`, a number of the account's.

        Returns its id and parts. Raises InvalidRequest when no account is named and there are several, or the
        body cannot be sent; NotFound for an unknown account; Unavailable when its queue is full.
        """
        served = self._account(system_id)
        parts = served.account.from_handset(body, address_of(source), address_of(destination), envelope)
        if len(served.outbox) + len(parts) > self.settings.max_pending:
            raise Unavailable(f"{len(served.outbox)} messages wait for the account already.")
        served.queue(parts)
        served.pump_soon()
        return parts[0].message_id, len(parts)

    def _account(self, system_id: str) -> Served:
        if not system_id and len(self._served) == 1:
            return next(iter(self._served.values()))
        if not system_id:
            raise InvalidRequest(f"There are {len(self._served)} accounts: name one.", target="account")
        served = self._served.get(system_id)
        if served is None:
            raise NotFound(f"There is no account {system_id!r}.", target="account")
        return served

    # ServerHandler

    def bind(
        self, conn: ServerConnection, system_id: str, password: str, bind_type: BindType, peer: str
    ) -> int:
        """Let configured accounts in, and nobody else."""
        served = self._served.get(system_id)
        if served is None:
            status = CommandStatus.ESME_RINVSYSID
        elif not compare_digest(password.encode(), served.password):
            status = CommandStatus.ESME_RINVPASWD
        elif served.binds_to_refuse > 0:
            served.binds_to_refuse -= 1
            status = CommandStatus.ESME_RBINDFAIL
        else:
            status = CommandStatus.ESME_ROK
            assert isinstance(conn, WildConnection)  # we made it
            if served.account.profile.wild:
                conn.adopt(served.account.profile)
            served.binds.append(conn)
        self._note(Entry(self.clock.now(), "bound", system_id, status=status, note=bind_type.value))
        return int(status)  # logged as a number

    def submit(self, conn: ServerConnection, pdu: SubmitSm, sequence: int) -> None:
        """Carry out what the account decides."""
        served = self._served[conn.system_id]
        now = self.clock.now()
        mono = self.clock.monotonic()
        poison = served.account.profile.poison
        if poison and poison in payload_of(pdu):
            served.counts.refused += 1
            self._note_submit("refused", served, pdu, now, UNANSWERED)
            conn.abort()
            return
        decision = served.account.submit(pdu, now, mono)
        if decision.status:
            served.counts.refused += 1
            self._note_submit("refused", served, pdu, now, decision.status)
            if decision.nack:
                conn.session.answer(sequence, decision.status, GenericNack())
                conn.flush_soon()
            else:
                conn.answer_submit(sequence, decision.status)
            return
        served.counts.submitted += 1
        status = 0 if decision.answered and not conn.session.closed else UNANSWERED
        self._note_submit("submit", served, pdu, now, status, decision.message_id)
        if decision.before:
            served.queue(decision.before)
            served.pump()
        if decision.answered and decision.answer_late:
            loop = asyncio.get_running_loop()
            loop.call_later(decision.answer_late, self._answer, served, conn, sequence, decision)
        elif decision.answered:
            self._answer(served, conn, sequence, decision)
        if decision.after:
            served.queue(decision.after)
            served.pump_soon()
        if decision.late:
            for late, delivery in decision.late:
                served.queue((delivery,), mono + late)
            served.pump_soon()
        if decision.act is not Act.NONE:
            _act(conn, decision.act)

    def _answer(self, served: Served, conn: ServerConnection, sequence: int, decision: Decision) -> None:
        profile = served.account.profile
        response = SubmitSmResp(decision.message_id, VENDOR if profile.vendor_tlvs else ())
        if conn.session.answer(sequence, 0, response):
            conn.flush_soon()
            if profile.wild and isinstance(conn, WildConnection):
                conn.responded(response, sequence)

    def request(self, conn: ServerConnection, pdu: Pdu, sequence: int) -> None:
        """See ServerHandler: it knows nothing but submit_sm."""
        conn.refuse(pdu, sequence)

    def deliver_answered(self, conn: ServerConnection, token: Any, status: int) -> None:  # noqa: ANN401
        """See ServerHandler; `token` is the Delivery."""
        self._served[conn.system_id].answered(token, status)

    def deliver_lost(self, conn: ServerConnection, token: Any, reason: str) -> None:  # noqa: ANN401
        """A bind that ended keeps its deliveries for the next one; an answer that did not come is a try."""
        served = self._served[conn.system_id]
        if conn.session.closed:
            served.lost.append(token)
        else:
            served.answered(token, UNANSWERED)

    def window_open(self, conn: ServerConnection) -> None:
        """See ServerHandler."""
        self._served[conn.system_id].pump_soon()

    def closed(self, conn: ServerConnection, reason: str) -> None:
        """See ServerHandler."""
        served = self._served[conn.system_id]
        assert isinstance(conn, WildConnection)  # we made it
        served.binds.remove(conn)
        served.outbox.lost(served.lost)
        served.lost.clear()
        note = "" if conn.bind_type is None else conn.bind_type.value
        self._note(Entry(self.clock.now(), "unbound", conn.system_id, note=note))
        if served.binds:
            served.pump_soon()

    # The journal

    def _note_delivery(self, kind: Kind, system_id: str, delivery: Delivery, status: int) -> None:
        """Write down what happened to a delivery."""
        if self._journal is not None:
            self._note(
                _entry(
                    self.clock.now(),
                    kind,
                    system_id,
                    delivery.pdu,
                    delivery.message_id,
                    status,
                    delivery.note,
                )
            )

    def _note_submit(
        self, kind: Kind, served: Served, pdu: SubmitSm, now: int, status: int, message_id: str = ""
    ) -> None:
        if self._journal is not None:
            self._note(_entry(now, kind, served.system_id, pdu, message_id, status, ""))

    def _note(self, entry: Entry) -> None:
        if self._journal is None:
            return
        self._journal.add(entry)
        if not self._journal_due:
            self._journal_due = True
            asyncio.get_running_loop().call_soon(self._flush_journal)

    def _flush_journal(self) -> None:
        self._journal_due = False
        if self._journal is None:
            return
        try:
            self._journal.flush()
        except OSError:  # the carrier goes on; whoever counts by the journal must see that it has a hole
            _log.exception("carrier.journal_failed")


def _act(conn: ServerConnection, act: Act) -> None:
    assert isinstance(conn, WildConnection)
    if act is Act.UNBIND:
        conn.unbind()
    elif act is Act.DROP:
        conn.cut_next()
    else:
        conn.deafen()


def _entry(
    at: int, kind: Kind, system_id: str, pdu: SubmitSm | DeliverSm, message_id: str, status: int, note: str
) -> Entry:
    concat = sar.read(pdu.tlvs) if pdu.tlvs else None
    described = describe(payload_of(pdu), pdu.data_coding, bool(pdu.esm_class & _UDHI), concat)
    source, destination = pdu.source_addr, pdu.destination_addr
    asked = asked_of(pdu) if isinstance(pdu, SubmitSm) else None
    return Entry(at, kind, system_id, message_id, source, destination, status, note, *described, asked)
