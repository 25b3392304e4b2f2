"""Repeatable requests (OASIS Repeatable Requests 1.0): the same id twice has one effect.

The claim on an id is written in the transaction that does what was asked. Of two simultaneous requests the
database lets one insert; the other waits for that commit and then finds the first answer. Use inside a Job:

    def __call__(self, tx):
        call = Call(self.resource, self.pair, "calls.create", self.fingerprint, answer)
        claim = claim_one(tx, call, now=self.now)
        if isinstance(claim, Repeated):
            return claim.response        # act no second time
        ...act...

The answer must be known before acting (ids are made by us, so it is); `store_answer` replaces it where not.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from sqlalchemy import Connection, Row, and_, delete, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from telephony.kernel.clock import DAY, HOUR, MINUTE
from telephony.kernel.errors import InvalidRequest, PreconditionFailed
from telephony.kernel.http.dates import parse_date
from telephony.kernel.ids import ResourceId, from_text, to_text
from telephony.kernel.store.schema import repeatability

REQUEST_ID: Final = "Repeatability-Request-ID"
FIRST_SENT: Final = "Repeatability-First-Sent"
RESULT: Final = "Repeatability-Result"

WINDOW: Final = DAY
"""How old a First-Sent may be: beyond, nobody remembers whether it was done (§5.1 of the standard: 412)."""

KEPT: Final = DAY + 2 * HOUR
"""How long an answer is kept: longer than the window, by the clients' clocks."""

FUTURE: Final = 10 * MINUTE
"""How far ahead a client's clock may be."""

ROWS_A_STATEMENT: Final = 500
"""Keys a look-up names: two parameters each, and SQLite's oldest ceiling is 999."""


@dataclass(frozen=True, slots=True)
class Pair:
    """The two values that make a request repeatable."""

    request_id: str
    """A GUID in lower case."""
    first_sent: int
    """Microseconds."""


@dataclass(frozen=True, slots=True)
class Call:
    """One repeatable act, and the answer it will get."""

    resource: ResourceId
    pair: Pair
    operation: str
    fingerprint: bytes
    """SHA-256 of what was asked, from `fingerprint`."""
    response: bytes
    """The answer, as JSON."""


@dataclass(frozen=True, slots=True)
class First:
    """Nobody asked this before: act."""


@dataclass(frozen=True, slots=True)
class Repeated:
    """It was done: answer the same again."""

    response: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """The id belongs to another request, or is too old to know."""

    reason: str

    def error(self) -> PreconditionFailed:
        """Return it as the error of a whole request."""
        return PreconditionFailed(self.reason, target=REQUEST_ID)


Claim: TypeAlias = First | Repeated | Refused
_FIRST: Final = First()
_OTHER: Final = Refused("The repeatability id was used for another request.")
_OLD: Final = Refused("The request was first sent too long ago to know whether it was done.")


def pair_of(
    request_id: str | None,
    first_sent: str | None,
    *,
    now: int,
    id_target: str = REQUEST_ID,
    sent_target: str = FIRST_SENT,
) -> Pair | None:
    """Return the pair, or None when neither is there. Targets name the places in errors.

    Raises InvalidRequest when one is missing, malformed, or sent in the future.
    """
    if request_id is None and first_sent is None:
        return None
    if request_id is None:
        raise InvalidRequest(f"{id_target}: It is required with {sent_target}.", target=id_target)
    if first_sent is None:
        raise InvalidRequest(f"{sent_target}: It is required with {id_target}.", target=sent_target)
    guid = from_text(request_id)
    if guid is None:
        raise InvalidRequest(f"{id_target}: It must be a GUID.", target=id_target)
    at = parse_date(first_sent)
    if at is None:
        raise InvalidRequest(f"{sent_target}: It must be an HTTP date.", target=sent_target)
    if at > now + FUTURE:
        raise InvalidRequest(f"{sent_target}: It lies in the future.", target=sent_target)
    return Pair(to_text(guid), at)


def pair_from_headers(headers: Mapping[str, str], *, now: int) -> Pair | None:
    """Return the pair of a request's headers (`headers` look up without case). Raises as `pair_of`."""
    return pair_of(headers.get(REQUEST_ID), headers.get(FIRST_SENT), now=now)


def fingerprint(*parts: bytes | str) -> bytes:
    """Return the SHA-256 of what was asked; each part keeps its borders."""
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        digest.update(len(raw).to_bytes(8, "big"))
        digest.update(raw)
    return digest.digest()


def claim_one(tx: Connection, call: Call, *, now: int) -> Claim:
    """Like `claim_many`, for one."""
    return claim_many(tx, [call], now=now)[0]


def claim_many(tx: Connection, calls: Sequence[Call], *, now: int) -> list[Claim]:
    """Claim the ids of `calls` inside the transaction that will act, in order; one claim each.

    Of calls with one id among `calls` themselves, the first counts. What is claimed is undone with the
    transaction (or its savepoint), so an act that failed leaves its id free.
    """
    claims: dict[int, Claim] = {}
    leaders: dict[tuple[bytes, str], int] = {}
    for index, call in enumerate(calls):
        if now - call.pair.first_sent > WINDOW:
            claims[index] = _OLD
        else:
            leaders.setdefault(_key(call), index)
    if leaders:
        _claim_leaders(tx, calls, leaders, claims, now)
    for index, call in enumerate(calls):
        if index not in claims:
            leader = leaders[_key(call)]
            claims[index] = _follow(call, calls[leader], claims[leader])
    return [claims[index] for index in range(len(calls))]


def store_answer(tx: Connection, resource: ResourceId, pair: Pair, response: bytes) -> None:
    """Replace the answer of a claim made in this transaction."""
    same = and_(repeatability.c.resource == resource, repeatability.c.request_id == pair.request_id)
    tx.execute(update(repeatability).where(same).values(response=response))


def forget_expired(tx: Connection, *, now: int, at_most: int) -> int:
    """Delete up to `at_most` answers past their time and return how many: retention runs in slices."""
    key = (repeatability.c.resource, repeatability.c.request_id)
    old = tx.execute(
        select(*key).where(repeatability.c.expires <= now).limit(min(at_most, ROWS_A_STATEMENT))
    ).all()
    if old:
        tx.execute(delete(repeatability).where(tuple_(*key).in_([tuple(row) for row in old])))
    return len(old)


def _key(call: Call) -> tuple[bytes, str]:
    return call.resource, call.pair.request_id


def _row(call: Call, now: int) -> dict[str, object]:
    return {
        "resource": call.resource,
        "request_id": call.pair.request_id,
        "operation": call.operation,
        "first_sent": call.pair.first_sent,
        "fingerprint": call.fingerprint,
        "response": call.response,
        "expires": now + KEPT,
    }


def _claim_leaders(
    tx: Connection,
    calls: Sequence[Call],
    leaders: Mapping[tuple[bytes, str], int],
    claims: dict[int, Claim],
    now: int,
) -> None:
    # One order for everybody, so that two gateways cannot each wait for an id of the other's.
    order = sorted(leaders)
    dialect = postgresql if tx.dialect.name == "postgresql" else sqlite
    key = (repeatability.c.resource, repeatability.c.request_id)
    insert = dialect.insert(repeatability).on_conflict_do_nothing().returning(*key)
    inserted = tx.execute(insert, [_row(calls[leaders[pair]], now) for pair in order]).all()
    won = {(bytes(row[0]), row[1]) for row in inserted}
    lost = [pair for pair in order if pair not in won]
    for pair in won:
        claims[leaders[pair]] = _FIRST
    for start in range(0, len(lost), ROWS_A_STATEMENT):
        found = select(repeatability).where(tuple_(*key).in_(lost[start : start + ROWS_A_STATEMENT]))
        for row in tx.execute(found):
            index = leaders[bytes(row.resource), row.request_id]
            claims[index] = _against(tx, calls[index], row, now)


def _against(tx: Connection, call: Call, row: Row[Any], now: int) -> Claim:
    """Judge a call by the row that holds its id."""
    if row.expires <= now:  # past its time, not yet purged: as if it were not there
        same = and_(
            repeatability.c.resource == call.resource, repeatability.c.request_id == call.pair.request_id
        )
        tx.execute(update(repeatability).where(same).values(_row(call, now)))
        return _FIRST
    if row.operation != call.operation or bytes(row.fingerprint) != call.fingerprint:
        return _OTHER
    return Repeated(bytes(row.response))


def _follow(call: Call, leader: Call, claim: Claim) -> Claim:
    """Judge a call by an earlier one of the same id in the same list."""
    if (call.operation, call.fingerprint) != (leader.operation, leader.fingerprint):
        return _OTHER
    return Repeated(leader.response) if isinstance(claim, First) else claim
