"""From a set of rules to the tables that decide, with everything that is wrong or odd about it."""

from collections.abc import Mapping
from dataclasses import dataclass

from telephony.kernel.errors import InvalidRequest
from telephony.routing.formats import NumberFormats
from telephony.routing.inbound import InboundTable, compile_inbound
from telephony.routing.overlaps import Oddity, closed, oddities
from telephony.routing.rules import BY_NUMBER, RouteSet
from telephony.routing.table import RouteTable, compile_table
from telephony.routing.targets import TargetKinds


@dataclass(frozen=True, slots=True)
class Compiled:
    """The tables of one set."""

    outbound: RouteTable
    inbound: InboundTable


def compile_set(rules: RouteSet, carriers: Mapping[str, NumberFormats], kinds: TargetKinds) -> Compiled:
    """Return the tables of a set that was accepted once; a carrier may be gone since.

    Raises InvalidRequest, naming the place, for what cannot be used.
    """
    return Compiled(compile_table(rules, carriers), compile_inbound(rules, kinds))


def check_set(
    rules: RouteSet, carriers: Mapping[str, NumberFormats], kinds: TargetKinds, *, operator: bool
) -> tuple[Oddity, ...]:
    """Return what is odd about a set that somebody wants to put in force. Raises as `examined` does."""
    return examined(rules, carriers, kinds, operator=operator)[1]


def examined(
    rules: RouteSet, carriers: Mapping[str, NumberFormats], kinds: TargetKinds, *, operator: bool
) -> tuple[Compiled, tuple[Oddity, ...]]:
    """Return the tables of a set that was not accepted yet, and what is odd about it.

    Raises InvalidRequest, naming the place, for what cannot be used, for a carrier that is not there, and for
    outbound routes in a set that is not the operator's.
    """
    if rules.routes and not operator:
        raise InvalidRequest("routes: Ways out are the operator's (/admin/routes).", target="routes")
    for place, route in enumerate(rules.routes):
        if route.target not in carriers and route.target != BY_NUMBER:
            known = ", ".join(sorted(carriers)) or "none"
            raise InvalidRequest(
                f"routes[{place}].target: There is no carrier {route.target!r}; "
                f"there are {known}, and {BY_NUMBER}.",
                target=f"routes[{place}].target",
            )
    compiled = compile_set(rules, carriers, kinds)
    odd = oddities(rules, compiled.outbound, compiled.inbound)
    return compiled, (*odd, *closed(rules)) if operator else odd
