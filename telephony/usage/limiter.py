"""Whether an interaction may happen, and what it comes to, decided before anything is written.

What a look at memory can tell is decided here: destination, price, and the rate a second. What must not be
overshot by several gateways (numbers and money of a day, simultaneous calls) is handed on as counters, for
the job that accepts to add to in its own transaction.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from telephony.kernel.clock import Clock
from telephony.kernel.errors import LimitForbids, LimitReached
from telephony.kernel.ids import ResourceId
from telephony.usage.amounts import amount_of
from telephony.usage.book import Book
from telephony.usage.bucket import Bucket
from telephony.usage.ceilings import (
    DEMONSTRATION,
    Ceilings,
    Limit,
    Refusal,
    check_destination,
    check_rate,
    first_charge,
    raise_it,
)
from telephony.usage.counters import MESSAGES, Most, day_of, spent
from telephony.usage.destinations import country_of, destination_of
from telephony.usage.rating import Kind, Rate, price_of_call, price_of_message
from telephony.usage.record import Charge
from telephony.usage.sheet import Sheet

MAX_BUCKETS: Final = 10_000
"""Resources whose rates are kept before those that are full are forgotten."""

REMEMBER_SECONDS: Final = 1.0
"""How long a day's limit that was reached is refused without asking the database again."""

MAX_REMEMBERED: Final = 10_000
"""Charges without a price that are kept: one a country and number of segments."""


@dataclass(frozen=True, slots=True)
class Admission:
    """What is to be counted of a request's messages."""

    resource: ResourceId
    verdicts: Sequence[Charge | Refusal]
    """One for each recipient, in order."""
    counters: tuple[Most, ...] = ()
    """To be added to in the transaction that accepts: `MESSAGES` the number, `spent(…)` the price."""


@dataclass(frozen=True, slots=True)
class CallAdmission:
    """What is to be counted of a call; see `telephony.usage.calls`."""

    resource: ResourceId
    country: str
    sell: Rate | None
    currency: str
    """The sell sheet's."""
    buy: Rate | None
    cost_currency: str
    most_calls: int | None
    budget: Most | None

    def charge(self, microseconds: int) -> Charge:
        """Return what the call comes to after being answered for so long."""
        return Charge(
            self.country,
            -(-microseconds // 1_000_000),
            0 if self.sell is None else price_of_call(self.sell, microseconds),
            "" if self.sell is None else self.currency,
            0 if self.buy is None else price_of_call(self.buy, microseconds),
            "" if self.buy is None else self.cost_currency,
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one limit says of a number: for whoever asks why."""

    limit: str
    value: str
    refusal: Refusal | None = None


class Limiter:
    """Asks a resource's limits. One a process.

    `demonstration` tells whether a resource is one, `simulated` whether a carrier is the one inside.
    """

    def __init__(
        self,
        *,
        book: Book,
        clock: Clock,
        demonstration: Callable[[ResourceId], bool],
        simulated: Callable[[str], bool],
    ) -> None:
        self._book, self._clock = book, clock
        self._demonstration, self._simulated = demonstration, simulated
        self._buckets: dict[tuple[ResourceId, Kind], Bucket] = {}
        self._bare: dict[tuple[str, int], Charge] = {}
        self._reached: dict[tuple[ResourceId, str], tuple[float, int, int]] = {}

    def messages(
        self, resource: ResourceId, carrier: str, sender: str, recipients: Sequence[str], segments: int
    ) -> Admission:
        """Return what becomes of a message to each of some recipients (E.164), and count it for its rate.

        Raises LimitReached when they come too fast, LimitForbids when a demonstration resource would reach a
        real carrier, or when a limit of the day was reached a moment ago: then nothing is counted.
        """
        if self._demonstration(resource):
            if not self._simulated(carrier):
                raise forbids(DEMONSTRATION)
            limits = None
        else:
            limits = self._book.ceilings(resource)
        now = self._clock.now()
        verdicts: Sequence[Charge | Refusal]
        if not self._book.rated and (limits is None or limits.any_destination):
            verdicts = [self._unrated(country_of(to), segments) for to in recipients]
        else:
            sell, buy = self._book.sell(resource), self._book.buy(carrier)
            own = "" if limits is None or not limits.own else destination_of(sender).country
            verdicts = [self._message(limits, sell, buy, own, to, segments, now) for to in recipients]
        if limits is None:
            return Admission(resource, verdicts)
        allowed = [one for one in verdicts if isinstance(one, Charge)]
        if not allowed:
            return Admission(resource, verdicts)
        counters = self._counters(resource, limits, allowed, day_of(now))
        rate = limits.messages_per_second
        self._take(resource, Kind.SMS, Limit.MESSAGES_PER_SECOND, rate, len(allowed))
        return Admission(resource, verdicts, counters)

    def anew(
        self, resource: ResourceId, carrier: str, sender: str, recipient: str, segments: int
    ) -> Admission:
        """Return what becomes of a message that was accepted before and goes by another carrier now.

        Like `messages`, but nothing is counted for its rate. Raises LimitForbids when a demonstration
        resource would reach a real carrier.
        """
        exempt = self._exempt(resource, carrier)
        limits = None if exempt else self._book.ceilings(resource)
        sell, buy = self._book.sell(resource), self._book.buy(carrier)
        own = "" if limits is None or not limits.own else destination_of(sender).country
        verdict = self._message(limits, sell, buy, own, recipient, segments, self._clock.now())
        if limits is None or sell is None or limits.daily_budget is None:
            return Admission(resource, [verdict])
        return Admission(resource, [verdict], (Most(spent(sell.currency), limits.daily_budget),))

    def give_back(self, admission: Admission) -> None:
        """Uncount messages that were not accepted after all."""
        bucket = self._buckets.get((admission.resource, Kind.SMS))
        if bucket is not None:
            bucket.give_back(sum(isinstance(one, Charge) for one in admission.verdicts))

    def call(
        self, resource: ResourceId, carrier: str, caller: str, to: str, *, again: bool = False
    ) -> CallAdmission:
        """Return what is to be counted of a call to a number (E.164), and count it for its rate.

        `again`: it goes by another carrier now, and was counted before. Raises LimitReached and LimitForbids,
        naming the limit: then nothing is counted.
        """
        exempt = self._exempt(resource, carrier)
        limits = self._book.ceilings(resource)
        now = self._clock.now()
        refusal, sell, buy = self._look(
            None if exempt else limits, resource, carrier, caller, to, Kind.VOICE, 1, now
        )
        if refusal is not None:
            raise forbids(refusal)
        sheet, costs = self._book.sell(resource), self._book.buy(carrier)
        budget: Most | None = None
        if not exempt:
            if sheet is not None and limits.daily_budget is not None:
                budget = Most(spent(sheet.currency), limits.daily_budget)
                if sell is not None and first_charge(sell) > limits.daily_budget:
                    raise reached(limits, budget)
            if not again:
                self._take(resource, Kind.VOICE, Limit.CALLS_PER_SECOND, limits.calls_per_second, 1)
        return CallAdmission(
            resource,
            country_of(to),
            sell,
            "" if sheet is None else sheet.currency,
            buy,
            "" if costs is None else costs.currency,
            None if exempt else limits.calls,
            budget,
        )

    def call_in(self, resource: ResourceId, carrier: str, caller: str) -> CallAdmission:
        """Return what is to be counted of a call that came: it is one of the simultaneous ones, and free.

        Its rate is the carrier's to limit: a stranger who calls often must not use up what the resource may
        begin. Raises LimitForbids when a real carrier brings it to a demonstration resource.
        """
        exempt = self._exempt(resource, carrier)
        most = None if exempt else self._book.ceilings(resource).calls
        country = country_of(caller) if caller.startswith("+") else ""
        return CallAdmission(resource, country, None, "", None, "", most, None)

    def call_own(self, resource: ResourceId, carrier: str, *, again: bool = False) -> CallAdmission:
        """Return what is to be counted of a call to a name, not a number, at a resource's own SBC: it costs
        nothing, and lies in no country.

        Raises LimitReached and LimitForbids as `call` does.
        """
        exempt = self._exempt(resource, carrier)
        limits = self._book.ceilings(resource)
        if not exempt and not again:
            self._take(resource, Kind.VOICE, Limit.CALLS_PER_SECOND, limits.calls_per_second, 1)
        return CallAdmission(resource, "", None, "", None, "", None if exempt else limits.calls, None)

    def emergency(self, resource: ResourceId) -> CallAdmission:
        """Return what is to be counted of an emergency call: no limit holds, and it is free (R33)."""
        return CallAdmission(resource, "", None, "", None, "", None, None)

    def explain(
        self, resource: ResourceId, carrier: str, sender: str, to: str, kind: Kind, units: int = 1
    ) -> list[Verdict]:
        """Return what each limit says of an interaction, as it would be decided now; counts nothing.

        An empty `carrier` is one that is not known yet.
        """
        if self._demonstration(resource):
            refusal = DEMONSTRATION if carrier and not self._simulated(carrier) else None
            return [Verdict(Limit.DEMONSTRATION, "simulated carriers only", refusal)]
        limits, _ = self._book.limits(resource)
        refusal, _, _ = self._look(
            self._book.ceilings(resource), resource, carrier, sender, to, kind, units, self._clock.now()
        )
        names = [Limit.COUNTRIES, Limit.PREMIUM, Limit.SATELLITE, Limit.UNRATED]
        if kind is Kind.SMS:
            names += [Limit.PRICE_PER_MESSAGE, Limit.MESSAGES_PER_SECOND, Limit.MESSAGES_PER_DAY]
        else:
            names += [Limit.PRICE_PER_MINUTE, Limit.CALLS_PER_SECOND, Limit.CALLS]
        names.append(Limit.DAILY_BUDGET)
        return [
            Verdict(
                name, _shown(getattr(limits, name)), refusal if refusal and refusal.limit is name else None
            )
            for name in names
        ]

    def reached(self, resource: ResourceId, counter: Most, amount: int) -> LimitForbids:
        """Return the error for a counter that would pass its limit, and remember it for a moment."""
        if len(self._reached) >= MAX_REMEMBERED:
            self._reached.clear()
        self._reached[resource, counter.name] = (self._clock.monotonic(), counter.most, amount)
        return reached(self._book.ceilings(resource), counter)

    def _exempt(self, resource: ResourceId, carrier: str) -> bool:
        if not self._demonstration(resource):
            return False
        if not self._simulated(carrier):
            raise forbids(DEMONSTRATION)
        return True

    def _look(
        self,
        limits: Ceilings | None,
        resource: ResourceId,
        carrier: str,
        sender: str,
        to: str,
        kind: Kind,
        units: int,
        now: int,
    ) -> tuple[Refusal | None, Rate | None, Rate | None]:
        sheet, costs = self._book.sell(resource), self._book.buy(carrier)
        sell = None if sheet is None else sheet.find(kind, to, now)
        buy = None if costs is None else costs.find(kind, to, now)
        if limits is None:
            return None, sell, buy
        own = destination_of(sender).country if limits.own else ""
        refusal = None if limits.any_destination else check_destination(limits, destination_of(to), own)
        refusal = refusal or check_rate(limits, sell, None if sheet is None else sheet.currency, kind, units)
        return refusal, sell, buy

    def _message(
        self,
        limits: Ceilings | None,
        sell: Sheet | None,
        buy: Sheet | None,
        own: str,
        to: str,
        segments: int,
        now: int,
    ) -> Charge | Refusal:
        country = ""
        if limits is not None and not limits.any_destination:
            destination = destination_of(to)
            refusal = check_destination(limits, destination, own)
            if refusal is not None:
                return refusal
            country = destination.country
        country = country or country_of(to)
        if sell is None and buy is None:
            return self._unrated(country, segments)
        rate = None if sell is None else sell.find(Kind.SMS, to, now)
        if limits is not None and sell is not None:
            refusal = check_rate(limits, rate, sell.currency, Kind.SMS, segments)
            if refusal is not None:
                return refusal
        cost = None if buy is None else buy.find(Kind.SMS, to, now)
        return Charge(
            country,
            segments,
            0 if rate is None else price_of_message(rate, segments),
            "" if rate is None or sell is None else sell.currency,
            0 if cost is None else price_of_message(cost, segments),
            "" if cost is None or buy is None else buy.currency,
        )

    def _unrated(self, country: str, segments: int) -> Charge:
        found = self._bare.get((country, segments))
        if found is None:
            if len(self._bare) >= MAX_REMEMBERED:
                self._bare.clear()
            found = self._bare[country, segments] = Charge(country, segments)
        return found

    def _counters(
        self, resource: ResourceId, limits: Ceilings, charges: Sequence[Charge], day: int
    ) -> tuple[Most, ...]:
        """Return what has to be counted of a day. Raises LimitForbids when it is known to be too much."""
        counters: list[tuple[Most, int]] = []
        if limits.messages_per_day is not None:
            counters.append((Most(MESSAGES, limits.messages_per_day), len(charges)))
        sheet = self._book.sell(resource)
        if limits.daily_budget is not None and sheet is not None:
            price = sum(one.price for one in charges)
            counters.append((Most(spent(sheet.currency), limits.daily_budget), price))
        for counter, amount in counters:
            known = self._reached.get((resource, counter.name))
            if known is not None:
                at, most, refused = known
                if self._clock.monotonic() - at >= REMEMBER_SECONDS or most != counter.most:
                    del self._reached[resource, counter.name]
                elif amount >= refused:
                    raise reached(limits, counter)
        return tuple(counter for counter, _ in counters)

    def _take(self, resource: ResourceId, kind: Kind, limit: Limit, rate: float | None, count: int) -> None:
        """Count what is to happen now. Raises LimitReached when it comes too fast."""
        if rate is None:
            return
        now = self._clock.monotonic()
        bucket = self._buckets.get((resource, kind))
        if bucket is None or bucket.rate != rate:
            if len(self._buckets) >= MAX_BUCKETS:
                self._buckets = {key: one for key, one in self._buckets.items() if not one.full(now)}
            bucket = self._buckets[resource, kind] = Bucket(rate, now)
        wait = bucket.wait(now, count)
        what = "messages" if kind is Kind.SMS else "calls"
        if wait is None:
            raise forbids(
                Refusal(limit, f"The resource may make no {what} ({limit.value} = 0).", raise_it(limit, "1"))
            )
        if wait > 0:
            raise LimitReached(
                f"More {what} a second than the resource may ({limit.value} = {rate:g}). "
                + raise_it(limit, f"{max(1.0, rate * 2):g}"),
                limit=limit.value,
                retry_after=wait,
            )
        bucket.take(now, count)


def forbids(refusal: Refusal) -> LimitForbids:
    """Return the error for a refusal."""
    return LimitForbids(str(refusal), limit=refusal.limit.value)


def reached(limits: Ceilings, counter: Most) -> LimitForbids:
    """Return the error for a counter of the day that would pass its limit."""
    if counter.name == MESSAGES:
        return forbids(
            Refusal(
                Limit.MESSAGES_PER_DAY,
                f"With this the resource would send more messages than it may in a day, which begins at "
                f"midnight UTC (messages_per_day = {counter.most}).",
                raise_it(Limit.MESSAGES_PER_DAY, str(max(1, counter.most * 2))),
            )
        )
    most = amount_of(counter.most)
    return forbids(
        Refusal(
            Limit.DAILY_BUDGET,
            "With this the resource would spend more than it may in a day, which begins at midnight UTC "
            f"(daily_budget = {most} {limits.currency}).",
            raise_it(Limit.DAILY_BUDGET, amount_of(counter.most * 2 or 1_000_000)),
        )
    )


def _shown(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
