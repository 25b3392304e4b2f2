"""What a configuration has to be. Pure.

Order: names and ports, then routes one after another; the first thing wrong is the one that is told.
"""

from typing import Final

from telephony.kernel.e164 import parse_e164
from telephony.kernel.errors import InvalidRequest
from telephony.routing.patterns import MAX_PROGRAMS, Pattern
from telephony.routing.sip_configuration.configuration import (
    MAX_DESCRIPTION,
    MAX_DOMAINS,
    MAX_NUMBER_PATTERN,
    MAX_ROUTE_NAME,
    MAX_ROUTE_TRUNKS,
    MAX_ROUTES,
    MAX_TRUNKS,
    Route,
    SipConfiguration,
)
from telephony.routing.sip_configuration.faults import SHOWN_CHARACTERS, Fault, wrong
from telephony.routing.sip_configuration.names import folded, is_fqdn

MAX_PORT: Final = 65_535


def check(configuration: SipConfiguration, *, patterns: bool = True) -> None:
    """Raise Unprocessable, with ACS's code within, for a configuration that cannot be.

    `patterns` tells whether routes are new: those that passed once need no compiler again.
    """
    _check_domains(configuration)
    _check_trunks(configuration)
    routes = configuration.routes
    if len(routes) > MAX_ROUTES:
        raise wrong(Fault.ROUTES, "routes", f"There are {len(routes)}, at most {MAX_ROUTES}.")
    known = {folded(name) for name in configuration.trunks}
    names: set[str] = set()
    for place, route in enumerate(routes):
        _check_route(route, f"routes[{place}]", known)
        if route.name in names:
            raise wrong(Fault.ROUTE_TWICE, f"routes[{place}].name")
        names.add(route.name)
    if patterns:
        check_patterns(routes)


def check_patterns(routes: tuple[Route, ...]) -> list[Pattern]:
    """Return the routes' patterns, compiled. Raises Unprocessable for one that cannot be taken, or when they
    are too large together."""
    compiled: list[Pattern] = []
    program = 0
    for place, route in enumerate(routes):
        target = f"routes[{place}].numberPattern"
        try:
            pattern = Pattern(route.number_pattern, target, MAX_NUMBER_PATTERN)
        except InvalidRequest as error:
            more = error.message.removeprefix(f"{target}: ")
            raise wrong(Fault.ROUTE_PATTERN_SYNTAX, target, more) from None
        program += pattern.program
        if program > MAX_PROGRAMS:
            text = f"The patterns up to here need more than {MAX_PROGRAMS} instructions together."
            raise wrong(Fault.ROUTE_PATTERN_SYNTAX, target, text)
        compiled.append(pattern)
    return compiled


def _check_domains(configuration: SipConfiguration) -> None:
    if len(configuration.domains) > MAX_DOMAINS:
        text = f"There are {len(configuration.domains)}, at most {MAX_DOMAINS}."
        raise wrong(Fault.DOMAINS, "domains", text)
    for name in configuration.domains:
        if not is_fqdn(name):
            raise wrong(Fault.DOMAIN, f"domains.{name[:SHOWN_CHARACTERS]}")


def _check_trunks(configuration: SipConfiguration) -> None:
    if len(configuration.trunks) > MAX_TRUNKS:
        text = f"There are {len(configuration.trunks)}, at most {MAX_TRUNKS}."
        raise wrong(Fault.TRUNKS, "trunks", text)
    for name, trunk in configuration.trunks.items():
        target = f"trunks.{name[:SHOWN_CHARACTERS]}"
        if not is_fqdn(name):
            raise wrong(Fault.TRUNK_FQDN, target)
        if not 1 <= trunk.sip_signaling_port <= MAX_PORT:
            text = f"Expected a port from 1 to {MAX_PORT}."
            raise wrong(Fault.TRUNK_PORT, f"{target}.sipSignalingPort", text)


def _check_route(route: Route, target: str, known: set[str]) -> None:
    if not route.name.strip() or len(route.name) > MAX_ROUTE_NAME:
        text = f"Expected 1 to {MAX_ROUTE_NAME} characters."
        raise wrong(Fault.ROUTE_NAME, f"{target}.name", text)
    if len(route.description or "") > MAX_DESCRIPTION:
        text = f"Expected at most {MAX_DESCRIPTION} characters."
        raise wrong(Fault.ROUTE_DESCRIPTION, f"{target}.description", text)
    if not 1 <= len(route.number_pattern) <= MAX_NUMBER_PATTERN:
        text = f"Expected 1 to {MAX_NUMBER_PATTERN} characters."
        raise wrong(Fault.ROUTE_PATTERN, f"{target}.numberPattern", text)
    if len(route.trunks) > MAX_ROUTE_TRUNKS:
        text = f"There are {len(route.trunks)}, at most {MAX_ROUTE_TRUNKS}."
        raise wrong(Fault.ROUTE_TRUNKS, f"{target}.trunks", text)
    seen: set[str] = set()
    for place, trunk in enumerate(route.trunks):
        if folded(trunk) in seen:
            raise wrong(Fault.ROUTE_TRUNK_TWICE, f"{target}.trunks[{place}]")
        seen.add(folded(trunk))
        if folded(trunk) not in known:
            text = f"There is no trunk {trunk[:SHOWN_CHARACTERS]}."
            raise wrong(Fault.MISSING_TRUNK, f"{target}.trunks[{place}]", text)
    if route.caller_id_override is not None and parse_e164(route.caller_id_override) is None:
        text = "Expected a number in E.164."
        raise wrong(Fault.ROUTE_CALLER, f"{target}.callerIdOverride", text)
