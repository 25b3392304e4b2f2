"""What a call counts for: as one of the simultaneous ones, and against the budget while it runs.

Each increment is paid for before it begins: a call is answered only when its first is in the budget, and is
ended when its next is not. So a budget is overshot by nothing that was known, and by at most one increment a
running call when an end comes late (R29). The functions run inside the caller's transaction, in jobs
that name `counters.lock_of` the resource among their locks.
"""

from sqlalchemy import Connection

from telephony.kernel.clock import SECOND
from telephony.kernel.ids import InteractionId, NodeId
from telephony.usage import counters
from telephony.usage.ceilings import Limit, Refusal, raise_it
from telephony.usage.limiter import CallAdmission, forbids
from telephony.usage.rating import price_of_call
from telephony.usage.record import Used, record

KIND = "call"
"""The kind of a call's interaction."""


def begin(
    tx: Connection, admission: CallAdmission, interaction: InteractionId, node: NodeId, at: int
) -> None:
    """Count a call as running. Raises LimitForbids when the resource has as many as it may."""
    if not counters.begin_call(tx, admission.resource, interaction, node, at, admission.most_calls):
        most = admission.most_calls or 0
        raise forbids(
            Refusal(
                Limit.CALLS,
                f"The resource has as many calls at the same time as it may (calls = {most}).",
                raise_it(Limit.CALLS, str(max(1, most * 2))),
            )
        )


def due(admission: CallAdmission, elapsed: int) -> int:
    """Return what has to be paid in all for what runs `elapsed` microseconds after the answer."""
    return 0 if admission.sell is None else price_of_call(admission.sell, elapsed + 1)


def next_increment(admission: CallAdmission, elapsed: int) -> int:
    """Return how many microseconds after the answer the increment that runs then ends."""
    if admission.sell is None:
        return elapsed + 3600 * SECOND
    first, following = admission.sell.first * SECOND, admission.sell.next * SECOND
    if elapsed < first:
        return first
    return first + ((elapsed - first) // following + 1) * following


def pay(tx: Connection, admission: CallAdmission, day: int, amount: int) -> bool:
    """Take an amount off a day's budget before the increment begins; tell whether it is there."""
    if admission.budget is None:
        return True
    return counters.add(tx, admission.resource, day, admission.budget, amount)


def end(
    tx: Connection,
    admission: CallAdmission,
    interaction: InteractionId,
    node: NodeId,
    *,
    carrier: str,
    direction: str,
    at: int,
    answered_for: int,
    paid: int = 0,
) -> tuple[int, str]:
    """Stop counting a call and record it; return its price and currency, empty when it was not rated.

    `answered_for` is in microseconds, 0: never answered. `paid` is what `pay` took: the rest goes back.
    """
    counters.end_call(tx, admission.resource, interaction)
    charge = admission.charge(answered_for)
    if admission.budget is not None:
        counters.give_back(
            tx, admission.resource, counters.day_of(at), admission.budget.name, paid - charge.price
        )
    record(tx, node, [Used(admission.resource, at, carrier, KIND, direction, charge)])
    return charge.price, charge.currency
