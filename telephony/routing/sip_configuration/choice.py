"""Which trunks a number goes to: the first route whose pattern is found in it decides. Pure."""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from telephony.kernel.e164 import E164
from telephony.routing.decide import Witness
from telephony.routing.patterns import PatternSet
from telephony.routing.sip_configuration.configuration import Route, SipConfiguration, Trunk
from telephony.routing.sip_configuration.names import domain_of, folded
from telephony.routing.sip_configuration.validation import check_patterns


class Use(StrEnum):
    """Whether a trunk is used, and if not, why."""

    USABLE = "usable"
    OFF = "off"  # the tenant switched it off
    DOMAIN_OFF = "domain-off"  # the tenant switched its domain off
    NOT_ENABLED = "not-enabled"  # the operator has not enabled its name


SAID: Final = {
    Use.OFF: "switched off",
    Use.DOMAIN_OFF: "in a domain that is switched off",
    Use.NOT_ENABLED: "not enabled by the operator",
}
"""Why a trunk is not used, in words."""


@dataclass(frozen=True, slots=True)
class Target:
    """A trunk to try."""

    fqdn: str
    trunk: Trunk


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A trunk of the route that is not tried."""

    fqdn: str
    why: Use


@dataclass(frozen=True, slots=True)
class Choice:
    """What the resource's own routes say of a number: `trunks` in the order in which they are to be tried.

    No trunks: the call is refused; the operator's carriers do not get what the tenant's own route took.
    """

    route: Route
    trunks: tuple[Target, ...]
    left_out: tuple[LeftOut, ...] = ()


class CompiledRoutes:
    """A configuration ready to be asked. Raises Unprocessable for patterns that cannot be taken."""

    __slots__ = ("_by_name", "_patterns", "configuration")

    def __init__(self, configuration: SipConfiguration) -> None:
        self.configuration = configuration
        self._patterns = PatternSet(check_patterns(configuration.routes))
        self._by_name = {folded(name): name for name in configuration.trunks}

    def matching(self, number: E164) -> tuple[Route, ...]:
        """Return every route that a number matches, in their order."""
        routes = self.configuration.routes
        return tuple(routes[place] for place in self._patterns.matches(number))

    def choose(self, number: E164, enabled: Container[str], witness: Witness | None = None) -> Choice | None:
        """Return where a number goes, or None when no route is for it: then others decide.

        `enabled` are the names that the operator enabled, folded.
        """
        found = self._patterns.matches(number)
        if witness is not None:
            self._tell(found, enabled, witness)
        if not found:
            return None
        route = self.configuration.routes[found[0]]
        trunks: list[Target] = []
        left_out: list[LeftOut] = []
        for name in route.trunks:
            fqdn = self._by_name[folded(name)]
            use = use_of(self.configuration, fqdn, enabled)
            if use is Use.USABLE:
                trunks.append(Target(fqdn, self.configuration.trunks[fqdn]))
            else:
                left_out.append(LeftOut(fqdn, use))
        return Choice(route, tuple(trunks), tuple(left_out))

    def usable(self, name: str, enabled: Container[str]) -> str | None:
        """Return how the resource spells a trunk's name, folded, that is used; None when it is not."""
        fqdn = self._by_name.get(name)
        if fqdn is None or use_of(self.configuration, fqdn, enabled) is not Use.USABLE:
            return None
        return fqdn

    def _tell(self, found: Sequence[int], enabled: Container[str], witness: Witness) -> None:
        """Let a witness write down every route, and each trunk of the one that decides."""
        for place, route in enumerate(self.configuration.routes):
            if place not in found:
                witness.note(route.name, "", route.number_pattern, False, "its pattern is not in the number")
                continue
            if place != found[0]:
                first = self.configuration.routes[found[0]].name
                witness.note(route.name, "", route.number_pattern, False, f"{first} goes before it")
                continue
            if not route.trunks:
                witness.note(
                    route.name, "", route.number_pattern, True, "it has no trunks: the call is refused"
                )
            for name in route.trunks:
                fqdn = self._by_name[folded(name)]
                use = use_of(self.configuration, fqdn, enabled)
                taken = use is Use.USABLE
                why = "the resource's own route decides" if taken else f"the trunk is {SAID[use]}"
                witness.note(route.name, fqdn, route.number_pattern, taken, why)


def use_of(configuration: SipConfiguration, fqdn: str, enabled: Container[str]) -> Use:
    """Return whether a trunk of the configuration is used."""
    if folded(fqdn) not in enabled:
        return Use.NOT_ENABLED
    if not configuration.trunks[fqdn].enabled:
        return Use.OFF
    domain = domain_of(fqdn, configuration.domains)
    if domain is not None and not configuration.domains[domain].enabled:
        return Use.DOMAIN_OFF
    return Use.USABLE
