"""Customers and carriers who bind to us, on this node: from their submit_sm to messages, and back to them."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence, Set
from typing import Any, Final

import structlog

from sms.esme.account import EsmeAccount, spell_id
from sms.esme.directory import AccountDirectory
from sms.esme.enquiries import FAILURES, Enquiries
from sms.esme.metrics import COLLECTOR
from sms.esme.notes import decode_note, deliver_sm
from sms.esme.outbox import (
    Claimed,
    ClaimedBy,
    ClaimOutbox,
    Outbox,
    OutboxKey,
    Outcome,
    SettleOutbox,
    WaitingAccounts,
)
from sms.esme.presence import Presence
from sms.esme.pushed import Message, Pushes
from sms.esme.settings import SmppServerSettings
from sms.esme.store import TakeQuota
from sms.esme.submission import Refused, Submission, as_submit_sm, read_submission, status_of
from sms.gather import Gather
from sms.inlet import Inlet
from sms.life import MessageLife
from sms.message import from_wire_id
from sms.send import Options, Recipient, SendSms
from sms.smpp.constants import CommandStatus, status_text
from sms.smpp.errors import LinkFull
from sms.smpp.gate import Gate
from sms.smpp.pdu import DataSm, DeliverSm, Pdu, SubmitSm
from sms.smpp.reception import Answer, Reception
from sms.smpp.server import ServerSettings, SmppServer
from telephony.kernel.clock import SECOND, Clock
from telephony.kernel.errors import ConfigurationError, TandemError, Unavailable
from telephony.kernel.ids import NodeId, ResourceId
from telephony.kernel.store import Store
from telephony.numbers.directory import NumberDirectory

log = structlog.get_logger(__name__)

RETRY_SECONDS: Final = (1.0, 5.0, 30.0, 120.0, 600.0)
"""Pauses after an account refused a deliver_sm for the moment, or did not answer it; the last repeats."""

LOOK_SECONDS: Final = 2.0
"""How often the store is asked what waits: retries, and what another gateway wrote."""

LOST_AT_ONCE: Final = 3
"""How often a deliver_sm whose answer was lost is sent again at once: nearly always its connection broke."""

ADOPT_SECONDS: Final = 30.0
"""How often rows are looked for whose claim was written while its answer was lost."""

STOP_SECONDS: Final = 5.0
"""How long what was taken may need to be kept and answered when the node stops."""

MOST: Final = 200
"""Rows claimed at once."""

REFUSED_FOR_GOOD: Final = frozenset({CommandStatus.ESME_RX_P_APPN, CommandStatus.ESME_RX_R_APPN})
"""Answers by which an account says that the same will never be taken (SMPP 3.4 §5.1.3)."""


class EsmeService:
    """The server from `start` to `stop`. A `sms.smpp.reception.AccountHandler`."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        node: NodeId,
        directory: AccountDirectory,
        outbox: Outbox,
        send: SendSms,
        numbers: NumberDirectory,
        inlet: Callable[[str], Inlet | None],
        life: MessageLife,
        settings: SmppServerSettings,
        alone: bool = True,
    ) -> None:
        """`inlet` is the way in for what a carrier's account brings; `alone` says that no other gateway has
        this database."""
        self._store, self._clock, self._node = store, clock, node
        self._directory, self._send, self._numbers = directory, send, numbers
        self._settings = settings
        self.port = 0
        """Where it listens, once started."""
        self._pushes = Pushes(clock=clock, numbers=numbers, inlet=inlet)
        self._enquiries = Enquiries(store=store, clock=clock, life=life)
        self._presence = (
            None if alone else Presence(store=store, clock=clock, node=node, accounts=directory.get)
        )
        self.reception = Reception(Gate(directory.gate), self, clock=clock, shares=self._presence)
        timers = ServerSettings(
            enquire_link_seconds=settings.enquire_link_seconds, response_seconds=settings.response_seconds
        )
        self._server = SmppServer(self.reception, timers, clock=clock)
        COLLECTOR.watch(self.reception)
        directory.changed = self.reception.dismiss
        outbox.wake = self._wake
        self._tasks: set[asyncio.Task[None]] = set()
        self._looking: asyncio.Task[None] | None = None
        self._pumping: dict[str, bool] = {}  # accounts at work, and whether to look once more
        self._more: set[str] = set()  # accounts for which more waited than they had room for
        self._flying: set[OutboxKey] = set()
        self._claims = asyncio.Lock()  # nobody asks what is claimed between a claim and its being in flight
        self._stopping = False
        self._absent: tuple[str, ...] = ()
        self._outcomes: Gather[Outcome, None] = Gather(
            store,
            lambda batch: SettleOutbox(node, batch),
            done=self._settled,
            failed=self._unsettled,
            persistent=True,
        )

    async def start(self) -> None:
        """Take over what waits, then listen.

        Raises Unavailable when the store is away, ConfigurationError when it cannot listen.
        """
        await self.adopt()
        settings = self._settings
        try:
            self.port = await self._server.start(settings.host, settings.port, settings.tls)
        except OSError as error:
            raise ConfigurationError(
                f"smpp_server: cannot listen on {settings.host}:{settings.port}: {error.strerror}."
                " Choose another.",
                target="smpp_server.port",
            ) from error
        log.info("esme.listening", host=settings.host, port=self.port, tls=settings.tls is not None)
        self._looking = asyncio.create_task(self._look(), name="esme.look")
        if self._presence is not None:
            self._presence.start(self.reception)

    async def adopt(self) -> None:
        """Let rows wait again that are this node's and that it does not send: after a start or a take-over.

        Raises Unavailable when the store is away; then it may be called again.
        """
        async with self._claims:
            mine = await self._store.read(ClaimedBy(self._node))
            now = self._clock.now()
            for key in mine:
                if key not in self._flying:
                    self._outcomes.add(Outcome(key, now))
        await self._outcomes.flush()

    async def stop(self) -> None:
        """Accept nothing new, answer what was taken, unbind everybody, write down what became of the rest."""
        self._stopping = True
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=STOP_SECONDS)
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await self._pushes.flush()
        await self._server.stop()
        if self._presence is not None:
            await self._presence.stop()
        while self._tasks:
            await asyncio.wait(self._tasks)
        await self._outcomes.flush()

    # --- from accounts (AccountHandler) ---

    def submitted(self, account: str, pdu: Message, answer: Answer) -> None:
        """Take a message; it is answered when it is kept."""
        found = self._known(account, CommandStatus.ESME_RSUBMITFAIL, answer)
        if found is None:
            return
        if found.settings.kind == "carrier":
            self._spawn(self._pushes.take(found, pdu, answer))
        elif isinstance(pdu, DeliverSm):
            answer(CommandStatus.ESME_RINVBNDSTS)
        else:
            self._spawn(self._accept(found, as_submit_sm(pdu) if isinstance(pdu, DataSm) else pdu, answer))

    def enquired(self, account: str, pdu: Pdu, answer: Answer) -> None:
        """Answer for what a customer asks about its own messages."""
        found = self._known(account, FAILURES[type(pdu)], answer)
        if found is None:
            return
        if found.settings.kind == "carrier":
            answer(FAILURES[type(pdu)])
        else:
            self._spawn(self._enquiries(found, pdu, answer))

    def left(self, account: str) -> None:
        """See `sms.smpp.reception.AccountHandler`."""
        found = self._directory.get(account)
        if found is not None and found.settings.kind == "carrier" and not self._stopping:
            self._pushes.left(found)

    def _known(self, account: str, refusal: int, answer: Answer) -> EsmeAccount | None:
        """Return an account that may ask for something; answer when it may not."""
        found = self._directory.get(account)
        if self._stopping:
            answer(CommandStatus.ESME_RSYSERR)
        elif found is None or not found.settings.enabled:  # removed while it is being unbound
            answer(refusal)
        else:
            return found
        return None

    async def _accept(self, account: EsmeAccount, pdu: SubmitSm, answer: Answer) -> None:
        try:
            submission = read_submission(pdu, account.settings, self._clock.now())
            identifier = await self._accepted(account, submission)
        except TandemError as error:
            status = status_of(error)
            log.info("esme.refused", system_id=account.system_id, status=status_text(status))
            answer(status)
        except Exception:  # a mistake of ours; unanswered, it would hold the account's window
            log.exception("esme.submit_failed", system_id=account.system_id)
            answer(CommandStatus.ESME_RSYSERR)
        else:
            answer(CommandStatus.ESME_ROK, spell_id(identifier, account.settings.ids))

    async def _accepted(self, account: EsmeAccount, submission: Submission) -> bytes:
        """Return the id of a message that is on disk. Raises TandemError."""
        quota = account.settings.daily_quota
        if quota is not None:
            owned = await self._numbers.find(submission.sender)
            if owned is None or owned.resource != account.resource:  # what cannot be sent uses no quota
                raise Refused(CommandStatus.ESME_RINVSRCADR, "The sender is not the resource's.")
            taken = TakeQuota(account.resource, account.system_id, quota, self._clock.now())
            if not await self._store.write(taken):
                raise Refused(CommandStatus.ESME_RTHROTTLED, "The day's quota is used up.")
        options = Options(
            source=f"smpp:{account.system_id}",
            account=account.system_id,
            receipt=submission.receipt,
            concat=submission.concat,
            validity_seconds=submission.validity_seconds,
            not_before=submission.not_before,
            priority=submission.priority,
            envelope=submission.envelope,
            protocol_id=submission.protocol_id,
            coding=submission.coding,
        )
        (result,) = await self._send(
            account.resource, submission.sender, [Recipient(submission.to)], submission.body, options, ""
        )
        identifier = None if result.message_id is None else from_wire_id(result.message_id)
        if result.error or identifier is None:
            raise Refused(CommandStatus.ESME_RSUBMITFAIL, result.error or "It was not accepted.")
        return identifier

    # --- to accounts ---

    def _wake(self, accounts: Set[str]) -> None:
        for account in accounts:
            self.may_deliver(account)

    def may_deliver(self, account: str) -> None:
        """Send what waits for an account, if it is bound and has room."""
        if self._stopping or self.reception.room(account) <= 0:
            return
        if account in self._pumping:
            self._pumping[account] = True
        else:
            self._pumping[account] = False
            self._spawn(self._pump(account))

    async def _pump(self, name: str) -> None:
        try:
            more = True
            while more and not self._stopping:
                self._pumping[name] = False
                more = await self._deliver_some(name) or self._pumping[name]
        except Unavailable:
            pass  # the next look finds it
        except Exception:  # without the pump the account would get nothing any more
            log.exception("esme.pump_failed", system_id=name)
        finally:
            del self._pumping[name]

    async def _deliver_some(self, name: str) -> bool:
        """Send what waits, as much as there is room for; tell whether there may be more."""
        account = self._directory.get(name)
        room = min(self.reception.room(name), MOST)
        if account is None or room <= 0:
            return False
        async with self._claims:
            # Not `write_until_done`: a claim whose answer was lost is found by the next `adopt`.
            claimed = await self._store.write(
                ClaimOutbox(self._node, account.resource, name, self._clock.now(), room)
            )
            self._flying.update(row.key for row in claimed)
        for row in claimed:
            self._deliver(account, row)
        more = len(claimed) == room
        (self._more.add if more else self._more.discard)(name)
        return more

    def _deliver(self, account: EsmeAccount, row: Claimed) -> None:
        try:
            pdu = deliver_sm(decode_note(row.content), account.settings)
            self.reception.deliver(account.system_id, pdu, row)
        except LinkFull:
            self._outcomes.add(Outcome(row.key, self._clock.now()))
        except Exception:  # what cannot be said in a PDU never can; the rest must not wait behind it
            log.exception("esme.cannot_be_delivered", system_id=account.system_id)
            self._outcomes.add(Outcome(row.key))

    def deliver_answered(self, account: str, token: Any, status: int) -> None:  # noqa: ANN401
        """Take the account's answer to a deliver_sm."""
        row: Claimed = token
        if status == CommandStatus.ESME_ROK:
            self._outcomes.add(Outcome(row.key))
        elif status in REFUSED_FOR_GOOD:
            log.warning("esme.rejected", system_id=account, status=status_text(status))
            self._outcomes.add(Outcome(row.key))
        else:
            self._try_later(row)
        if account in self._more:
            self.may_deliver(account)

    def deliver_lost(self, account: str, token: Any, reason: str) -> None:  # noqa: ANN401
        """Keep what the account may not have got: it comes again, at once unless that goes on."""
        row: Claimed = token
        if row.attempts < LOST_AT_ONCE:
            self._outcomes.add(Outcome(row.key, self._clock.now(), 1))
        else:
            self._try_later(row)

    def _try_later(self, row: Claimed) -> None:
        pause = RETRY_SECONDS[min(row.attempts, len(RETRY_SECONDS) - 1)]
        self._outcomes.add(Outcome(row.key, self._clock.now() + round(pause * SECOND), 1))

    def _settled(self, batch: Sequence[Outcome], _: None) -> None:
        self._flying.difference_update(outcome.key for outcome in batch)

    def _unsettled(self, batch: Sequence[Outcome]) -> None:
        # The store stops: such rows are this node's, and wait again after the next start.
        log.error("esme.outcomes_unwritten", count=len(batch))

    async def _look(self) -> None:
        looked = self._clock.monotonic()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                if self._clock.monotonic() - looked >= ADOPT_SECONDS:
                    looked = self._clock.monotonic()
                    await self.adopt()
                    await self._look_for_absent()
                bound = self._bound()
                if bound:
                    self._wake(await self._store.read(WaitingAccounts(bound, self._clock.now())))
            except Unavailable:
                continue
            except Exception:  # without it nothing would ever be tried again
                log.exception("esme.look_failed")

    async def _look_for_absent(self) -> None:
        """Find accounts for which something has waited for a while and that do not come for it."""
        absent = [
            (account.resource, account.system_id)
            for account in self._directory.every()
            if account.settings.enabled and self.reception.room(account.system_id) <= 0
        ]
        old = self._clock.now() - round(ADOPT_SECONDS * SECOND)
        found = await self._store.read(WaitingAccounts(absent, old))
        self._absent = tuple(sorted(found))

    def trouble(self) -> list[str]:
        """Return what is wrong, in words."""
        return [f"smpp account {name} takes nothing, and messages wait for it" for name in self._absent]

    def _bound(self) -> list[tuple[ResourceId, str]]:
        """Return the accounts that take something now."""
        names = [name for name in self.reception.counts() if self.reception.room(name) > 0]
        found = [account for name in names if (account := self._directory.get(name)) is not None]
        return [(account.resource, account.system_id) for account in found]

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
