"""The tables in force, and the two questions that everybody asks them: where out, where in. Pure.

Whoever explains a decision asks the same methods as whoever acts on it, with a witness.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from msgspec.structs import replace

from telephony.kernel.e164 import is_short_code
from telephony.kernel.ids import ResourceId
from telephony.routing.decide import Question, Witness, decide
from telephony.routing.dialled import ANYWHERE, DialPlan, read
from telephony.routing.inbound import NOWHERE, Arrival, InboundTable, WayIn, decide_inbound
from telephony.routing.ports import AllUsable, Attempt, Health, WayOut
from telephony.routing.rules import EMPTY
from telephony.routing.table import RouteTable, compile_table


@dataclass(frozen=True, slots=True)
class Tables:
    """Everything that decides, as one snapshot."""

    outbound: RouteTable = field(default_factory=lambda: compile_table(EMPTY, {}))
    version: int = 0
    """Of the operator's set; 0: there is none."""
    operator: InboundTable = field(default_factory=InboundTable)
    """Rules of the operator, for numbers of which their resource says nothing."""
    resources: Mapping[ResourceId, InboundTable] = field(default_factory=dict)


class Router:
    """Answers from the tables in force; implements `WaysOut` and `WaysIn`."""

    def __init__(self, health: Health | None = None, plan: DialPlan = ANYWHERE) -> None:
        self._health: Final = health or AllUsable()
        self._plan: Final = plan
        self.tables: Tables = Tables()
        """Swapped as a whole."""

    def out(self, attempt: Attempt, witness: Witness | None = None) -> WayOut:
        """See `telephony.routing.ports.WaysOut`."""
        # Hashing a plan costs as much as all the rest of what was read before.
        plan = self._plan
        reading = read(attempt.written) if plan is ANYWHERE else read(attempt.written, plan)
        if reading.number is None:
            return WayOut(reading, None)
        kind, health, tables = attempt.kind, self._health, self.tables
        question = Question(
            kind, reading.number, attempt.sender, attempt.at, attempt.seed, attempt.own, attempt.without
        )
        usable = None if isinstance(health, AllUsable) else lambda carrier: health.usable(carrier, kind)
        decision = decide(tables.outbound, question, usable=usable, witness=witness)
        return WayOut(reading, decision, tables.version)

    def inward(self, resource: ResourceId, arrival: Arrival, witness: Witness | None = None) -> WayIn:
        """See `telephony.routing.ports.WaysIn`: the resource's rules first, then the operator's.

        A caller that is a number in another spelling is read first, so that none gets around a rule.
        """
        if not arrival.caller.startswith("+") and (caller := self.own_number(arrival.caller)):
            arrival = replace(arrival, caller=caller)
        tables = self.tables
        own = tables.resources.get(resource)
        found = NOWHERE if own is None else decide_inbound(own, arrival, witness)
        return found if found.stops else decide_inbound(tables.operator, arrival, witness)

    def own_number(self, written: str) -> str:
        """Return an own number as rules spell it: in E.164, or a short code as it is; empty when neither."""
        return written if is_short_code(written) else read(written, self._plan).number or ""
