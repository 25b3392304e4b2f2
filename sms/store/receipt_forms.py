"""The jobs around receipts whose form of ids is learned: park what is in doubt, match it when it is not.

A scope is what has one form: a link with a setting of its own, or (the empty name) all others of a carrier.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec
from msgspec.structs import replace
from sqlalchemy import ColumnElement, Connection, delete, func, select, tuple_, update
from sqlalchemy.engine import Row

from carriers.model.smpp import IdForm, ReceiptIds
from sms.receipt_forms import (
    Hits,
    Pairs,
    added,
    from_text,
    leading,
    learn,
    proves_itself,
    readings,
    same_party,
    tells_nothing,
    to_text,
)
from sms.receipts import RECEIPT_DECODER, KeptReceipt, match_id
from sms.store.finish import Finisher
from sms.store.receipts import (
    EARLY_FOR,
    CarrierReceipt,
    MatchedReceipt,
    Part,
    came_at,
    keep_early,
    match,
    settle,
)
from sms.store.sql import insert_new, insert_rows
from sms.store.tables import early_receipts, parked_receipts, receipt_forms
from telephony.kernel import ids

PAGE: Final = 500
"""Parked receipts looked at in one job: the newest, which are the best evidence."""

COUNTED: Final = 10_000
"""Parked receipts are counted up to here: a count goes through all of them."""

_decode_pairs: Final = msgspec.json.Decoder(dict[str, int]).decode


class FormRow(NamedTuple):
    """What is known of a scope's form."""

    setting: str
    form: IdForm | None
    since: int
    pairs: Mapping[Hits, int]
    addresses: bool
    seen: int


@dataclass(frozen=True, slots=True)
class OpenReceipt:
    """A receipt of a scope whose form is learned, as it came in; its id is as the carrier sent it."""

    came: CarrierReceipt
    scope: str
    form: IdForm | None
    """What is known so far."""
    addresses: bool
    """Whether its addresses have to be those of the message."""


@dataclass(slots=True)
class Taken:
    """What became of a batch of receipts."""

    finisher: Finisher
    proven: dict[str, int] = field(default_factory=dict)
    """By scope: when the last receipt came that its form alone explains."""
    parked: dict[str, int] = field(default_factory=dict)
    """By scope: how many were parked."""


class _Found(NamedTuple):
    """What the id of a receipt may name."""

    hits: Hits
    parts: Sequence[tuple[Hits, Part]]
    """Different parts, with the forms in which the id names each."""
    agreed: bool
    """Whether they have the receipt's recipient."""


@dataclass(slots=True)
class RecordOpenReceipts:
    """Match receipts whose form is known or does not matter; park those in doubt."""

    carrier: str
    finisher: Finisher
    receipts: Sequence[OpenReceipt]

    def __call__(self, tx: Connection) -> Taken:
        """See `telephony.kernel.store.jobs.Job`."""
        self.finisher.deliveries.clear()  # it may run twice
        taken = Taken(self.finisher)
        found = match(tx, ((self.carrier, spelled) for one in self.receipts for spelled in _spellings(one)))
        matched: list[MatchedReceipt] = []
        parked: list[OpenReceipt] = []
        missing: list[OpenReceipt] = []
        proofs: dict[str, list[tuple[Hits, bool]]] = {}
        for one in self.receipts:
            came = one.came
            if one.form is None:
                what = _look(found, self.carrier, came.receipt.remote_id, came.parties)
                if not proves_itself(came.receipt.remote_id, what.hits):
                    parked.append(one)
                    continue
                part = what.parts[0][1]
                if came.receipt.state != "pending" and part[2] == "submitted":
                    proofs.setdefault(one.scope, []).append((what.hits, what.agreed))
            else:
                hit = found.get((self.carrier, match_id(came.receipt.remote_id, one.form)))
                if hit is None:
                    missing.append(one)
                    continue
                if one.addresses and same_party(came.parties, hit[4].peer) is False:
                    parked.append(one)  # the carrier may have changed its form
                    continue
                part = hit
                if not tells_nothing(came.receipt.remote_id):
                    taken.proven[one.scope] = came.at
            matched.append(MatchedReceipt(came.receipt, came.at, *part))
        parked += self._keep(tx, missing)
        for one in parked:
            taken.parked[one.scope] = taken.parked.get(one.scope, 0) + 1
        insert_rows(
            tx,
            parked_receipts,
            [
                (self.carrier, one.scope, ids.new_id(one.came.at), one.came.kept(), one.came.at + EARLY_FOR)
                for one in parked
            ],
        )
        for scope, pairs in proofs.items():
            self._learn(tx, scope, pairs)
        settle(tx, self.finisher, matched)
        return taken

    def _keep(self, tx: Connection, missing: Sequence[OpenReceipt]) -> list[OpenReceipt]:
        """Keep what names nothing in the known form for its response; return what names a part in another."""
        raws = {one.came.receipt.remote_id for one in missing}
        found = match(tx, ((self.carrier, spelled) for raw in raws for spelled in readings(raw).values()))
        early: list[CarrierReceipt] = []
        parked: list[OpenReceipt] = []
        for one in missing:
            came = one.came
            what = _look(found, self.carrier, came.receipt.remote_id, came.parties)
            if what.hits and (what.agreed or not one.addresses):
                parked.append(one)
            else:
                assert one.form is not None
                early.append(_spelled(one, one.form))
        keep_early(tx, early)
        return parked

    def _learn(self, tx: Connection, scope: str, proofs: Sequence[tuple[Hits, bool]]) -> None:
        row = load_form(tx, self.carrier, scope, lock=True)
        if row is not None and row.form is None:
            pairs = added(row.pairs, (hits for hits, _ in proofs))
            agreed = row.addresses and all(agreed for _, agreed in proofs)
            _write(tx, self.carrier, scope, pairs=_encoded(pairs), addresses=int(agreed))


@dataclass(frozen=True, slots=True)
class DeclareForm:
    """Say how a scope is set; return what is known of it.

    What was learned stays while it is set to `auto`.
    """

    carrier: str
    scope: str
    setting: ReceiptIds
    now: int

    def __call__(self, tx: Connection) -> FormRow:
        """See `telephony.kernel.store.jobs.Job`."""
        form = None if self.setting == "auto" else self.setting
        addresses = int(form is None)  # those that are compared while a form is learned
        new = (self.carrier, self.scope, self.setting, form, self.now, b"{}", addresses, 0)
        insert_new(tx, receipt_forms, [new])
        before = load_form(tx, self.carrier, self.scope, lock=True)
        assert before is not None
        if before.setting != self.setting:
            _write(
                tx,
                self.carrier,
                self.scope,
                setting=self.setting,
                form=form,
                since=self.now,
                pairs=b"{}",
                addresses=addresses,
                seen=0,
            )
        after = load_form(tx, self.carrier, self.scope)
        assert after is not None
        return after


@dataclass(frozen=True, slots=True)
class LookAtScope:
    """A query for what is known of a scope, and how many of its receipts are parked (`COUNTED` at most)."""

    carrier: str
    scope: str

    def __call__(self, tx: Connection) -> tuple[FormRow | None, int]:
        """Return both."""
        some = select(parked_receipts.c.id).where(*_of(self.carrier, self.scope)).limit(COUNTED).subquery()
        count = tx.execute(select(func.count()).select_from(some)).scalar_one()
        return load_form(tx, self.carrier, self.scope), count


@dataclass(slots=True)
class Learned:
    """What looking at parked receipts came to."""

    finisher: Finisher
    row: FormRow | None
    before: IdForm | None
    matched: int = 0


@dataclass(slots=True)
class WeighParked:
    """Look at a scope's parked receipts: learn the form from them, or that it has changed.

    Only what came before `until` counts: responses that were still to come then, and would name other parts,
    have come. While no form is known, a receipt is matched alone when its id names one part only, which has
    its recipient, and nothing that is known speaks for another form.
    """

    carrier: str
    scope: str
    finisher: Finisher
    now: int
    until: int
    proven: int
    """When a receipt last proved the known form right, as this node knows."""

    def __call__(self, tx: Connection) -> Learned:
        """See `telephony.kernel.store.jobs.Job`."""
        self.finisher.deliveries.clear()  # it may run twice
        row = load_form(tx, self.carrier, self.scope, lock=True)
        if row is None:
            return Learned(self.finisher, None, None)
        parked = _parked(tx, self.carrier, self.scope, before=self.until)
        parts = match(
            tx,
            ((self.carrier, spelled) for _, _, kept in parked for spelled in readings(kept.raw).values()),
        )
        looks = [_look(parts, self.carrier, kept.raw, kept.parties) for _, _, kept in parked]
        chosen: dict[bytes, MatchedReceipt] = {}
        if row.form is None:
            form = self._learn(tx, row, parked, looks)
            if form is None:
                self._alone(tx, row, parked, looks, chosen)
        else:
            seen = max(row.seen, self.proven)
            form = row.form
            for (identifier, came, kept), what in zip(parked, looks, strict=True):
                part = next((part for forms, part in what.parts if form in forms), None)
                if part is not None and (what.agreed or not row.addresses):
                    chosen[identifier] = MatchedReceipt(kept, came, *part)
                    seen = max(seen, came)  # what is parked is read differently in different forms
            pairs = _pairs(parked, looks, since=seen)
            other = learn(pairs)
            if other is not None and other != form:
                form = other
                self._take(tx, form, pairs, agreed=row.addresses)
                chosen.clear()  # the new form decides about them
            elif seen > row.seen:
                _write(tx, self.carrier, self.scope, seen=seen)
        claimed = _claim(tx, self.carrier, self.scope, chosen)
        settle(tx, self.finisher, [one for identifier, one in chosen.items() if identifier in claimed])
        after = load_form(tx, self.carrier, self.scope)
        return Learned(self.finisher, after, row.form, len(claimed))

    def _learn(
        self, tx: Connection, row: FormRow, parked: "Sequence[_Parked]", looks: Sequence[_Found]
    ) -> IdForm | None:
        pairs = added(row.pairs, {})
        for hits, count in _pairs(parked, looks).items():
            pairs[hits] = pairs.get(hits, 0) + count
        form = learn(pairs)
        if form is not None:
            agreed = row.addresses and all(what.agreed for what in looks if form in what.hits)
            self._take(tx, form, pairs, agreed=agreed)
        return form

    def _take(self, tx: Connection, form: IdForm, pairs: Pairs, *, agreed: bool) -> None:
        _write(
            tx,
            self.carrier,
            self.scope,
            form=form,
            since=self.now,
            pairs=_encoded(pairs),
            addresses=int(agreed),
            seen=self.now,
        )

    def _alone(
        self,
        tx: Connection,
        row: FormRow,
        parked: "Sequence[_Parked]",
        looks: Sequence[_Found],
        chosen: dict[bytes, MatchedReceipt],
    ) -> None:
        likely = leading(row.pairs)
        proofs: list[Hits] = []
        for (identifier, came, kept), what in zip(parked, looks, strict=True):
            if not what.agreed or len(what.parts) != 1 or not what.hits & likely:
                continue
            part = what.parts[0][1]
            chosen[identifier] = MatchedReceipt(kept, came, *part)
            if kept.state != "pending" and part[2] == "submitted":
                proofs.append(what.hits)
        if proofs:
            _write(tx, self.carrier, self.scope, pairs=_encoded(added(row.pairs, proofs)))


@dataclass(slots=True)
class MatchParked:
    """Match parked receipts of a scope in a form that is known; the others wait for their response.

    Returns the finisher and how many it looked at: PAGE means that there may be more.
    """

    carrier: str
    scope: str
    finisher: Finisher
    form: IdForm
    addresses: bool

    def __call__(self, tx: Connection) -> tuple[Finisher, int]:
        """See `telephony.kernel.store.jobs.Job`."""
        self.finisher.deliveries.clear()  # it may run twice
        parked = _parked(tx, self.carrier, self.scope)
        claimed = _claim(tx, self.carrier, self.scope, [identifier for identifier, _, _ in parked])
        ours = [one for one in parked if one[0] in claimed]
        _match_again(tx, self.finisher, self.carrier, self.form, ours, addresses=self.addresses)
        return self.finisher, len(parked)


@dataclass(slots=True)
class SpellEarly:
    """Read early receipts again, whose form was taken for another one; match those that name a part now.

    Returns the finisher, and where to go on: None after the last.
    """

    carrier: str
    finisher: Finisher
    concerns: Callable[[str], bool]
    """Tells whether it is about receipts of a link."""
    form: IdForm
    addresses: bool
    after: tuple[str, bytes]

    def __call__(self, tx: Connection) -> tuple[Finisher, tuple[str, bytes] | None]:
        """See `telephony.kernel.store.jobs.Job`."""
        self.finisher.deliveries.clear()  # it may run twice
        table = early_receipts.c
        key = tuple_(table.remote_id, table.id)
        rows = tx.execute(
            select(table.remote_id, table.id, table.receipt, table.expires)
            .where(table.carrier == self.carrier, key > self.after)
            .order_by(table.remote_id, table.id)
            .limit(PAGE)
        ).all()
        wrong: dict[bytes, _Parked] = {}
        for row in rows:
            kept = RECEIPT_DECODER.decode(row.receipt)
            if self.concerns(kept.link) and kept.spelled(self.form) != row.remote_id:
                wrong[row.id] = (row.id, came_at(row.expires), kept)
        keys = [(row.remote_id, row.id) for row in rows if row.id in wrong]
        if keys:
            gone = tx.execute(
                delete(early_receipts).where(table.carrier == self.carrier, key.in_(keys)).returning(table.id)
            ).scalars()
            again = [wrong[identifier] for identifier in sorted(gone)]
            _match_again(tx, self.finisher, self.carrier, self.form, again, addresses=self.addresses)
        last = (rows[-1].remote_id, rows[-1].id) if len(rows) == PAGE else None
        return self.finisher, last


@dataclass(frozen=True, slots=True)
class OtherScopes:
    """A query for the links with parked receipts, of a carrier, that are not among `scopes`."""

    carrier: str
    scopes: Sequence[str]

    def __call__(self, tx: Connection) -> list[str]:
        """Return them."""
        link = parked_receipts.c.link
        query = select(link).where(parked_receipts.c.carrier == self.carrier, link.not_in(self.scopes))
        return list(tx.execute(query.distinct()).scalars())


@dataclass(frozen=True, slots=True)
class MoveParked:
    """Give parked receipts to another scope of their carrier."""

    carrier: str
    before: str
    after: str

    def __call__(self, tx: Connection) -> None:
        """See `telephony.kernel.store.jobs.Job`."""
        tx.execute(update(parked_receipts).where(*_of(self.carrier, self.before)).values(link=self.after))


@dataclass(frozen=True, slots=True)
class CountWaiting:
    """A query for how many receipts wait without their message, and what the ids of some look like."""

    carrier: str
    scope: str
    concerns: Callable[[str], bool]
    now: int
    examples: int

    def __call__(self, tx: Connection) -> tuple[int, tuple[str, ...]]:
        """Return how many wait in a known form (`COUNTED` looked at), and ids of the newest parked ones."""
        bodies = tx.execute(
            select(early_receipts.c.receipt).where(early_receipts.c.carrier == self.carrier).limit(COUNTED)
        ).scalars()
        orphans = sum(self.concerns(RECEIPT_DECODER.decode(body).link) for body in bodies)
        parked = _parked(tx, self.carrier, self.scope, before=self.now, most=self.examples)
        return orphans, tuple(kept.raw for _, _, kept in parked)


_Parked = tuple[bytes, int, KeptReceipt]
"""Its id, when it came, what it says."""


def load_form(tx: Connection, carrier: str, scope: str, *, lock: bool = False) -> FormRow | None:
    """Return what is known of a scope; `lock` keeps other gateways from changing it meanwhile."""
    table = receipt_forms.c
    query = select(receipt_forms).where(table.carrier == carrier, table.link == scope)
    row = tx.execute(query.with_for_update() if lock and tx.dialect.name == "postgresql" else query).first()
    return None if row is None else _row(row)


def _row(row: Row[tuple[object, ...]]) -> FormRow:
    pairs = from_text(_decode_pairs(row.pairs))
    return FormRow(row.setting, row.form, row.since, pairs, bool(row.addresses), row.seen)


def _write(tx: Connection, carrier: str, scope: str, **values: object) -> None:
    table = receipt_forms.c
    tx.execute(update(receipt_forms).where(table.carrier == carrier, table.link == scope).values(**values))


def _encoded(pairs: Pairs) -> bytes:
    return msgspec.json.encode(to_text(pairs))


def _of(carrier: str, scope: str) -> tuple[ColumnElement[bool], ...]:
    return parked_receipts.c.carrier == carrier, parked_receipts.c.link == scope


def _parked(
    tx: Connection, carrier: str, scope: str, *, before: int | None = None, most: int = PAGE
) -> list[_Parked]:
    """Return the oldest parked receipts, or the newest of those that came before a time; oldest first."""
    table = parked_receipts.c
    query = select(table.id, table.receipt, table.expires).where(*_of(carrier, scope)).limit(most)
    if before is None:
        query = query.order_by(table.id)
    else:
        query = query.where(table.expires <= before + EARLY_FOR).order_by(table.id.desc())
    return sorted(
        (bytes(row.id), came_at(row.expires), RECEIPT_DECODER.decode(row.receipt))
        for row in tx.execute(query)
    )


def _claim(tx: Connection, carrier: str, scope: str, identifiers: Iterable[bytes]) -> set[bytes]:
    """Delete parked receipts; return those that no other gateway has taken."""
    table = parked_receipts.c
    wanted = list(identifiers)
    if not wanted:
        return set()
    where = (*_of(carrier, scope), table.id.in_(wanted))
    gone = tx.execute(delete(parked_receipts).where(*where).returning(table.id)).scalars()
    return {bytes(identifier) for identifier in gone}


def _spellings(one: OpenReceipt) -> Iterable[str]:
    raw = one.came.receipt.remote_id
    return readings(raw).values() if one.form is None else (match_id(raw, one.form),)


def _look(found: Mapping[tuple[str, str], Part], carrier: str, raw: str, parties: Sequence[str]) -> _Found:
    """Return what an id names in its forms; what has the receipt's recipient leaves the rest aside."""
    parts: dict[tuple[object, int], tuple[set[IdForm], Part]] = {}
    for form, spelled in readings(raw).items():
        part = found.get((carrier, spelled))
        if part is not None:
            parts.setdefault((part[0], part[1]), (set(), part))[0].add(form)
    candidates = list(parts.values())
    agreeing = [one for one in candidates if same_party(parties, one[1][4].peer)]
    chosen = [(frozenset(forms), part) for forms, part in agreeing or candidates]
    return _Found(frozenset().union(*(forms for forms, _ in chosen)), chosen, bool(agreeing))


def _pairs(parked: Sequence[_Parked], looks: Sequence[_Found], since: int = 0) -> dict[Hits, int]:
    """Return the pairs among parked receipts that came after `since`; an id that came twice is one."""
    distinct = {
        kept.raw: what.hits
        for (_, came, kept), what in zip(parked, looks, strict=True)
        if came > since and what.hits
    }
    return added({}, distinct.values())


def _spelled(one: OpenReceipt, form: IdForm) -> CarrierReceipt:
    came = one.came
    receipt = replace(came.receipt, remote_id=match_id(came.receipt.remote_id, form))
    return CarrierReceipt(
        came.carrier, came.link, came.at, receipt, came.raw, came.parties if one.addresses else ()
    )


def _match_again(
    tx: Connection,
    finisher: Finisher,
    carrier: str,
    form: IdForm,
    receipts: Sequence[_Parked],
    *,
    addresses: bool,
) -> None:
    """Match receipts in a form; those that name nothing, or somebody else's message, become early ones."""
    found = match(tx, ((carrier, kept.spelled(form)) for _, _, kept in receipts))
    matched: list[MatchedReceipt] = []
    rows: list[tuple[object, ...]] = []
    for identifier, came, kept in receipts:
        spelled = kept.spelled(form)
        parties = kept.parties if addresses else ()
        part = found.get((carrier, spelled))
        if part is not None and same_party(parties, part[4].peer) is not False:
            matched.append(MatchedReceipt(kept, came, *part))
        else:
            body = msgspec.json.encode(replace(kept, remote_id=spelled, parties=parties))
            rows.append((carrier, spelled, identifier, body, came + EARLY_FOR))
    insert_rows(tx, early_receipts, rows)
    settle(tx, finisher, matched)
