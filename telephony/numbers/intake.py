"""From a supply into the inventory, a slice at a time; what cannot be taken is reported, the rest goes in."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import structlog

from telephony.kernel.errors import InvalidRequest
from telephony.kernel.store import Store
from telephony.numbers.kinds import Lot
from telephony.numbers.ports import Offer, Rejected, Supply
from telephony.numbers.stock import MAX_SLICE, StockNumbers

log = structlog.get_logger(__name__)

MAX_NUMBERS: Final = 100_000
"""Numbers of one intake: what a request may cost."""

TAKEN: Final = "is somebody's or held for somebody: left as it is"


@dataclass(frozen=True, slots=True)
class Intake:
    """What came of a supply."""

    kept: int
    """Numbers that are in the inventory now."""
    rejected: tuple[Rejected, ...]


@dataclass(slots=True)
class _Slice:
    """Numbers that go into the store together."""

    kinds: dict[Lot, int]
    numbers: dict[str, tuple[int, int]]
    """The place of its lot, and where it came from. Of a number that is there twice the last counts."""
    rejected: list[Rejected]


async def take_in(store: Store, supply: Supply, *, most: int | None = None) -> Intake:
    """Put a supply's numbers into the inventory; `most` is how many at most.

    Raises InvalidRequest when there are more, after `most` of them went in; Unavailable when the store is
    away: then some may have gone in, and taking the same in again does no harm.
    """
    offers = supply.offers()
    part = await asyncio.to_thread(_next_slice, offers)
    rejected = part.rejected
    kept = read = 0
    while part.numbers:
        read += len(part.numbers)
        if most is not None and read > most:
            raise InvalidRequest(f"More than {most} numbers at once; send fewer lines.", target="lines")
        job = StockNumbers(tuple(part.kinds), [(number, lot) for number, (lot, _) in part.numbers.items()])
        # While one slice is written the next is read.
        done, following = await asyncio.gather(store.write(job), asyncio.to_thread(_next_slice, offers))
        kept += done.kept
        rejected += [Rejected(part.numbers[number][1], f"{number} {TAKEN}") for number in sorted(done.taken)]
        rejected += following.rejected
        part = following
    log.info("numbers.stocked", numbers=kept, rejected=len(rejected))
    return Intake(kept, tuple(sorted(rejected, key=lambda one: one.place)))


def _next_slice(offers: Iterator[Offer | Rejected]) -> _Slice:
    part = _Slice({}, {}, [])
    kinds, numbers = part.kinds, part.numbers
    lot: Lot | None = None
    place = 0
    for offer in offers:
        if isinstance(offer, Rejected):
            part.rejected.append(offer)
            continue
        if offer.lot is not lot:  # most lines of a file have the lot of the line before
            lot = offer.lot
            place = kinds.setdefault(lot, len(kinds))
        entry = (place, offer.place)
        for number in offer.numbers:
            numbers[number] = entry
        if len(numbers) >= MAX_SLICE:
            break
    return part
