"""Carriers and their trunks, as calls choose among them; implements `telephony.calling.ports.Trunks`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from carriers.model.carrier import Carrier
from sip.legs.trunks import OWN, TrunkFacts, facts_of
from telephony.calling import ports
from telephony.calling.ports import CarrierFacts

NAMED: Final = frozenset({"no-response", "transport"})
"""Of `retry_on`, what is no status: these always let the next trunk be tried (R8)."""


class CallTrunks:
    """Follows the carriers in force: they are asked anew with every call."""

    def __init__(
        self,
        carriers: Mapping[str, Carrier],
        *,
        own: Callable[[str], Sequence[TrunkFacts]] = lambda _carrier: (),
        up: Callable[[str, str], bool] = lambda _carrier, _trunk: True,
    ) -> None:
        """`own` returns the SBCs of `resource:GUID`; `up` tells a trunk's health by its names."""
        self._carriers, self._own, self._up = carriers, own, up

    def carrier(self, name: str) -> CarrierFacts | None:
        """See `telephony.calling.ports.Trunks`."""
        if name.startswith(OWN):
            found = self._own(name)
            return CarrierFacts(name, tuple(map(self._facts, found))) if found else None
        carrier = self._carriers.get(name)
        return None if carrier is None or not carrier.sip else self._of(name, carrier)

    def carriers(self) -> Sequence[CarrierFacts]:
        """See `telephony.calling.ports.Trunks`."""
        return [self._of(name, carrier) for name, carrier in self._carriers.items() if carrier.sip]

    def _of(self, name: str, carrier: Carrier) -> CarrierFacts:
        return CarrierFacts(
            name,
            tuple(self._facts(each) for each in facts_of(name, carrier).values()),
            carrier.limits.channels,
            carrier.limits.calls_per_second,
            carrier.number_formats(),
        )

    def _facts(self, facts: TrunkFacts) -> ports.TrunkFacts:
        return ports.TrunkFacts(
            ports.Trunk(facts.carrier, facts.name, facts.codecs),
            self._up(facts.carrier, facts.name),
            facts.priority,
            facts.weight,
            facts.channels,
            facts.calls_per_second,
            frozenset(int(each) for each in facts.retry_on if each not in NAMED),
            facts.dtmf,
            facts.headers.diversion,
            facts.emergency,
        )
