"""What requests and answers of `/sip` look like, and which version of ACS's API knows what.

What is null or not there is left out of answers: the clients in JavaScript fail on a trunk that is null.
"""

from typing import Annotated, Any, Final

from msgspec import UNSET, Meta, Struct, UnsetType

from telephony.resources.audit_shown import SHORTENED
from telephony.routing.sip_configuration.configuration import (
    IpVersion,
    PrivacyHeader,
    Route,
    SipConfiguration,
    Trunk,
)
from telephony.routing.sip_configuration.faults import SHOWN_CHARACTERS
from telephony.routing.sip_configuration.ports import Inactive, Overall, Ping, Tls, TrunkHealth

EXTENDED: Final = ("2022-10-01-preview", "2023-01-01-preview", "2023-04-01-preview", "2024-11-15-preview")
"""Versions with domains, switches, health, and the test of a number."""

VERSIONS: Final = ("2021-05-01-preview", "2022-09-01-preview", *EXTENDED[:2], "2023-03-01", *EXTENDED[2:])
"""2023-03-01 is what azure-communication-phonenumbers and @azure/communication-phone-numbers send."""

EXPAND_HEALTH: Final = "trunks/health"


class DomainUpdate(Struct, frozen=True, rename="camel"):
    """What a patch sets of a domain."""

    enabled: bool | UnsetType | None = UNSET


class TrunkUpdate(Struct, frozen=True, rename="camel"):
    """What a patch sets of a trunk."""

    sip_signaling_port: int | UnsetType | None = UNSET
    enabled: bool | UnsetType | None = UNSET
    step_out_of_signaling: bool | UnsetType | None = UNSET
    privacy_header: PrivacyHeader | UnsetType | None = UNSET
    ip_address_version: IpVersion | UnsetType | None = UNSET


class RouteSetting(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A route as requests have it."""

    name: str
    number_pattern: str
    description: str | None = None
    trunks: tuple[str, ...] | None = None
    caller_id_override: Annotated[str | None, Meta(extra=SHORTENED)] = None


class SipConfigurationUpdate(Struct, frozen=True, rename="camel"):
    """The body of a PATCH, and of a test of a number."""

    domains: dict[str, DomainUpdate | None] | UnsetType | None = UNSET
    trunks: dict[str, TrunkUpdate | None] | UnsetType | None = UNSET
    routes: tuple[RouteSetting, ...] | UnsetType | None = UNSET


class TlsView(Struct, frozen=True):
    """How a trunk's TLS does."""

    status: Tls


class PingView(Struct, frozen=True):
    """How a trunk's OPTIONS do."""

    status: Ping


class OverallView(Struct, frozen=True, omit_defaults=True):
    """A trunk's health as a whole; `reason` when it is inactive."""

    status: Overall
    reason: Inactive | None = None


class HealthView(Struct, frozen=True):
    """A trunk's health."""

    tls: TlsView
    ping: PingView
    overall: OverallView


class TrunkView(Struct, frozen=True, rename="camel"):
    """A trunk in an answer."""

    sip_signaling_port: int
    enabled: bool | UnsetType = UNSET
    step_out_of_signaling: bool | UnsetType = UNSET
    privacy_header: PrivacyHeader | UnsetType = UNSET
    ip_address_version: IpVersion | UnsetType = UNSET
    health: HealthView | UnsetType = UNSET


class RouteView(Struct, frozen=True, rename="camel"):
    """A route in an answer."""

    name: str
    number_pattern: str
    trunks: tuple[str, ...]
    description: str | UnsetType = UNSET
    caller_id_override: str | UnsetType = UNSET


class DomainView(Struct, frozen=True):
    """A domain in an answer."""

    enabled: bool


class SipConfigurationView(Struct, frozen=True, rename="camel"):
    """A configuration in an answer: always all of it."""

    trunks: dict[str, TrunkView]
    routes: tuple[RouteView, ...]
    domains: dict[str, DomainView] | UnsetType = UNSET


class RoutesForNumber(Struct, frozen=True, rename="camel"):
    """The routes that a number matches, in their order."""

    matching_routes: tuple[RouteView, ...]


def unknown_in(patch: SipConfigurationUpdate) -> str:
    """Return the place of something that only the extended versions know, or nothing."""
    if patch.domains is not UNSET:
        return "domains"
    for name, trunk in (patch.trunks or {}).items() if patch.trunks is not UNSET else ():
        if trunk is None:
            continue
        for field in ("enabled", "step_out_of_signaling", "privacy_header", "ip_address_version"):
            if getattr(trunk, field) is not UNSET:
                return f"trunks.{name[:SHOWN_CHARACTERS]}.{_camel(field)}"
    for place, route in enumerate(patch.routes or ()) if patch.routes is not UNSET else ():
        if route.caller_id_override is not None:
            return f"routes[{place}].callerIdOverride"
    return ""


def shown(
    configuration: SipConfiguration, version: str, health: dict[str, TrunkHealth] | None = None
) -> SipConfigurationView:
    """Return a configuration as a version of the API shows it; `health` by name when it was asked for."""
    extended = version in EXTENDED
    return SipConfigurationView(
        {
            name: _trunk(trunk, extended, None if health is None else health[name])
            for name, trunk in configuration.trunks.items()
        },
        tuple(route_view(route, version) for route in configuration.routes),
        {name: DomainView(domain.enabled) for name, domain in configuration.domains.items()}
        if extended
        else UNSET,
    )


def route_view(route: Route, version: str) -> RouteView:
    """Return a route as a version of the API shows it."""
    return RouteView(
        route.name,
        route.number_pattern,
        route.trunks,
        _or_unset(route.description),
        _or_unset(route.caller_id_override) if version in EXTENDED else UNSET,
    )


def _trunk(trunk: Trunk, extended: bool, health: TrunkHealth | None) -> TrunkView:
    if not extended:
        return TrunkView(trunk.sip_signaling_port)
    return TrunkView(
        trunk.sip_signaling_port,
        trunk.enabled,
        _or_unset(trunk.step_out_of_signaling),
        _or_unset(trunk.privacy_header),
        _or_unset(trunk.ip_address_version),
        UNSET
        if health is None
        else HealthView(
            TlsView(health.tls),
            PingView(health.ping),
            OverallView(health.overall, health.reason),
        ),
    )


def _or_unset(value: Any) -> Any:  # noqa: ANN401 - any field's value
    return UNSET if value is None else value


def _camel(field: str) -> str:
    head, *rest = field.split("_")
    return head + "".join(each.title() for each in rest)
