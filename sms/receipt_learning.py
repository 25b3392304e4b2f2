"""The forms of a carrier's receipt ids on one node: declared, or learned from what comes. The shell around
`sms.receipt_forms` and its jobs.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import structlog
from msgspec import Struct

from carriers.model.carrier import Carrier
from carriers.model.smpp import IdForm, ReceiptIds
from sms.receipt_forms import PAIRS, counted, learn
from sms.receipt_metrics import COLLECTOR, ScopeTotals
from sms.receipts import Receipt, match_id
from sms.smpp.pdu import DeliverSm
from sms.store.finish import Finisher
from sms.store.receipt_forms import (
    PAGE,
    CountWaiting,
    DeclareForm,
    FormRow,
    LookAtScope,
    MatchParked,
    MoveParked,
    OpenReceipt,
    OtherScopes,
    RecordOpenReceipts,
    SpellEarly,
    Taken,
    WeighParked,
)
from sms.store.receipts import CarrierReceipt
from telephony.kernel.clock import SECOND, Clock
from telephony.kernel.store import Store

log = structlog.get_logger(__name__)

RESPONSE_SECONDS: Final = 10.0
"""How long a response is waited for by links that say nothing else."""

GRACE: Final = 1.5
"""A receipt in doubt waits this many times as long as a response may take: by then every response that could
still name its message has come, or never will."""

UNDECIDED: Final = (50, 500, 5000)
"""Parked receipts at which the log says once more that nothing could be learned so far."""

EXAMPLES: Final = 5
"""Ids of parked receipts that the operator is shown."""


class ReceiptIdStatus(Struct, frozen=True):
    """How ids in receipts are read, as `tandem receipt-ids` shows it."""

    carrier: str
    link: str
    """Empty: every link of the carrier without a setting of its own."""
    setting: ReceiptIds
    form: IdForm | None
    """The form in use; None while it is being learned."""
    since: int
    """When it was declared or learned, or learning began: microseconds UTC."""
    pairs: dict[str, int]
    """Receipts that spoke for each form when it was learned, or so far."""
    parked: int
    """Receipts in doubt, which wait for the form; 10,000 stands for more."""
    unmatched: int
    """Receipts in a known form that belong to no message so far, of the first 10,000 of the carrier."""
    examples: tuple[str, ...]
    """Ids of receipts in doubt."""


@dataclass(slots=True)
class Scope:
    """What has one form: a link with a setting of its own, or (the empty name) all others."""

    name: str
    setting: ReceiptIds
    form: IdForm | None
    totals: ScopeTotals
    since: int = 0
    pairs: dict[str, int] | None = None
    addresses: bool = True
    proven: int = 0
    """When a receipt last proved the form right: microseconds UTC."""
    reread: bool = True
    """Whether what is parked is to be read anew in the form."""
    respell: bool = True
    """Whether what waits in the form that was used before is to be read anew."""
    said: int = 0
    """How many parked receipts the log has told of."""

    @property
    def open(self) -> bool:
        """Whether the form is learned rather than declared."""
        return self.setting == "auto"


class ReceiptForms:
    """The scopes of one carrier."""

    def __init__(
        self,
        name: str,
        carrier: Carrier,
        *,
        store: Store,
        clock: Clock,
        finisher: Callable[[], Finisher],
        ended: Callable[[Finisher], None],
    ) -> None:
        self._name = name
        self._store, self._clock = store, clock
        self._finisher, self._ended = finisher, ended
        self._scopes: dict[str, Scope] = {}
        self._of: dict[str, Scope] = {}
        own = {link: settings.receipt_id for link, settings in carrier.smpp.items()}
        for link, setting in {"": carrier.receipt_id, **own}.items():
            if setting is not None:
                form = None if setting == "auto" else setting
                totals = COLLECTOR.watch(self._name, link, form or "")
                self._scopes[link] = self._of[link] = Scope(link, setting, form, totals)
        seconds = [settings.response_seconds for settings in carrier.smpp.values()]
        self._grace = int(max(seconds, default=RESPONSE_SECONDS) * GRACE * SECOND)

    def of(self, link: str) -> Scope:
        """Return the scope of a link."""
        return self._of.get(link) or self._scopes[""]

    # --- receipts ---

    def declared(self, scope: Scope, link: str, receipt: Receipt) -> CarrierReceipt:
        """Return a receipt, read with its id as it came, in the declared form of its scope."""
        raw = receipt.remote_id
        if scope.form != "same" and scope.form is not None:
            spelled = match_id(raw, scope.form)
            receipt = Receipt(spelled, receipt.state, receipt.stat, receipt.error)
        return CarrierReceipt(self._name, link, self._clock.now(), receipt, raw)

    def opened(self, scope: Scope, link: str, receipt: Receipt, pdu: DeliverSm) -> OpenReceipt:
        """Return a receipt of a scope whose form is learned."""
        parties = (pdu.source_addr, pdu.destination_addr)
        came = CarrierReceipt(self._name, link, self._clock.now(), receipt, receipt.remote_id, parties)
        return OpenReceipt(came, scope.name, scope.form, scope.addresses)

    def job(self, receipts: Iterable[OpenReceipt]) -> RecordOpenReceipts:
        """Return the job that takes receipts of scopes whose form is learned; give its result to `taken`."""
        return RecordOpenReceipts(self._name, self._finisher(), list(receipts))

    def taken(self, result: Taken) -> None:
        """Learn what became of receipts."""
        for name, at in result.proven.items():
            scope = self._scopes[name]
            scope.proven = max(scope.proven, at)
        for name, count in result.parked.items():
            self._scopes[name].totals.parkings += count
        self._ended(result.finisher)

    # --- time ---

    async def start(self) -> None:
        """Find out what is known. Raises Unavailable when the store is away; then it may be called again."""
        for scope in self._scopes.values():
            job = DeclareForm(self._name, scope.name, scope.setting, self._clock.now())
            self._know(scope, await self._store.write(job))
        gone = await self._store.read(OtherScopes(self._name, tuple(self._scopes)))
        for link in gone:  # its setting was taken out of the configuration
            await self._store.write(MoveParked(self._name, link, self.of(link).name))

    async def sweep(self) -> None:
        """Learn from what is parked, and match what is certain by now. Raises Unavailable."""
        await self._reread()
        for scope in self._scopes.values():
            if not scope.open:
                continue
            row, parked = await self._store.read(LookAtScope(self._name, scope.name))
            if row is not None and row.form != scope.form:
                await self._learned(scope, row)  # by another gateway
            elif parked or (row is not None and row.form is None and learn(row.pairs)):
                await self._weigh(scope)
            scope.totals.parked = parked
            self._say_undecided(scope, parked)

    async def _weigh(self, scope: Scope) -> None:
        now = self._clock.now()
        job = WeighParked(self._name, scope.name, self._finisher(), now, now - self._grace, scope.proven)
        result = await self._store.write(job)
        self._ended(result.finisher)
        if result.row is None:
            return
        if result.row.form != scope.form:
            await self._learned(scope, result.row)
        else:
            self._know(scope, result.row)

    async def _learned(self, scope: Scope, row: FormRow) -> None:
        before = scope.form
        self._know(scope, row)
        if before is None:
            log.info(
                "receipt.form_learned", carrier=self._name, link=scope.name, form=row.form, pairs=scope.pairs
            )
        else:
            scope.totals.changes += 1
            log.warning(
                "receipt.form_changed",
                carrier=self._name,
                link=scope.name,
                form=row.form,
                was=before,
                pairs=scope.pairs,
            )
        scope.reread = scope.respell = True
        await self._reread()
        scope.reread = True  # once more: what was parked while this was written

    async def _reread(self) -> None:
        """Match what is parked, and what waits in another spelling, though its form is known."""
        for scope in self._scopes.values():
            looked_at = PAGE
            while scope.reread and scope.form is not None and looked_at == PAGE:
                finisher = self._finisher()
                job = MatchParked(self._name, scope.name, finisher, scope.form, scope.addresses)
                _, looked_at = await self._store.write(job)
                self._ended(finisher)
            scope.reread = False
            if scope.respell:
                await self._spell_early(scope)

    async def _spell_early(self, scope: Scope) -> None:
        after: tuple[str, bytes] | None = ("", b"")
        while after is not None and scope.form is not None:
            job = SpellEarly(
                self._name,
                self._finisher(),
                lambda link: self.of(link) is scope,
                scope.form,
                scope.addresses,
                after,
            )
            finisher, after = await self._store.write(job)
            self._ended(finisher)
        scope.respell = False

    def _know(self, scope: Scope, row: FormRow) -> None:
        scope.form, scope.since, scope.addresses = row.form, row.since, row.addresses
        scope.pairs = counted(row.pairs) if row.pairs else {}
        scope.totals.form = row.form or ""

    def _say_undecided(self, scope: Scope, parked: int) -> None:
        if scope.form is not None or not any(scope.said < most <= parked for most in UNDECIDED):
            return
        scope.said = parked
        log.warning(
            "receipt.form_undecided",
            carrier=self._name,
            link=scope.name,
            parked=parked,
            pairs=scope.pairs,
            wanted=PAIRS,
        )

    # --- people ---

    async def status(self) -> tuple[ReceiptIdStatus, ...]:
        """Return how each scope does. Raises Unavailable when the store is away."""
        found: list[ReceiptIdStatus] = []
        for scope in self._scopes.values():
            row, parked = await self._store.read(LookAtScope(self._name, scope.name))
            now = self._clock.now()
            waiting = CountWaiting(
                self._name, scope.name, self._links_of(scope), now, EXAMPLES if parked else 0
            )
            unmatched, examples = await self._store.read(waiting)
            found.append(
                ReceiptIdStatus(
                    carrier=self._name,
                    link=scope.name,
                    setting=scope.setting,
                    form=scope.form,
                    since=scope.since,
                    pairs=counted(row.pairs) if row is not None and row.pairs else {},
                    parked=parked,
                    unmatched=unmatched,
                    examples=examples,
                )
            )
        return tuple(found)

    def _links_of(self, scope: Scope) -> Callable[[str], bool]:
        return lambda link: self.of(link) is scope
