"""How a PATCH changes a configuration (RFC 7396): null deletes, the list of routes is replaced. Pure.

Names of trunks and domains are compared without their case; the spelling that was set last stands.
"""

from collections.abc import Mapping
from typing import Any, TypeVar, cast

import msgspec
from msgspec import UNSET, UnsetType

from telephony.kernel.http.merge_patch import Json, merge_patch
from telephony.routing.sip_configuration.configuration import Domain, Route, SipConfiguration, Trunk
from telephony.routing.sip_configuration.faults import SHOWN_CHARACTERS, Fault, wrong
from telephony.routing.sip_configuration.names import domain_of, folded
from telephony.routing.sip_configuration.wire import RouteSetting, SipConfigurationUpdate

T = TypeVar("T", Domain, Trunk)


def patched(kept: SipConfiguration, patch: SipConfigurationUpdate) -> SipConfiguration:
    """Return the configuration that a patch makes; it is checked by `validation.check`.

    Raises Unprocessable for a patch without any data, for a name that is set twice, and when a domain would
    go that trunks are in.
    """
    if patch.routes is UNSET and not any(each or each is None for each in (patch.domains, patch.trunks)):
        raise wrong(Fault.EMPTY_PATCH, "")
    after = SipConfiguration(
        _map(kept.domains, patch.domains, Domain, "domains", Fault.DOMAIN_TWICE),
        _map(kept.trunks, patch.trunks, Trunk, "trunks", Fault.TRUNK_TWICE),
        kept.routes if patch.routes is UNSET else routes_of(patch.routes),
    )
    for name in kept.domains:
        if domain_of(name, after.domains) is None:
            _refuse_orphans(name, kept, after)
    return after


def routes_of(routes: tuple[RouteSetting, ...] | None) -> tuple[Route, ...]:
    """Return routes as they are kept; null is no route at all."""
    return tuple(
        Route(
            each.name,
            each.number_pattern,
            each.description,
            tuple(each.trunks or ()),
            each.caller_id_override,
        )
        for each in routes or ()
    )


def _map(
    kept: Mapping[str, T],
    patch: Mapping[str, msgspec.Struct | None] | UnsetType | None,
    kind: type[T],
    target: str,
    twice: Fault,
) -> dict[str, T]:
    if patch is UNSET:
        return dict(kept)
    if patch is None:
        return {}
    spelled = {folded(name): name for name in kept}
    merged = dict(kept)
    settings: dict[str, str] = {}
    for name, setting in patch.items():
        if setting is None:
            merged.pop(spelled.get(folded(name), name), None)
        elif folded(name) in settings:
            raise wrong(twice, f"{target}.{name[:SHOWN_CHARACTERS]}")
        else:
            settings[folded(name)] = name
    for key, name in settings.items():
        old = spelled.get(key, name)
        if old in merged and old != name:
            merged = {name if each == old else each: value for each, value in merged.items()}
        before = cast("Json", msgspec.to_builtins(merged[name])) if name in merged else {}
        change = cast("Json", msgspec.to_builtins(patch[name]))
        merged[name] = msgspec.convert(merge_patch(before, change), kind)
    return merged


def _refuse_orphans(domain: str, kept: SipConfiguration, after: SipConfiguration) -> None:
    for trunk in after.trunks:
        if domain_of(trunk, kept.domains) == domain and domain_of(trunk, after.domains) is None:
            text = f"The trunk {trunk} is in it; remove that first."
            raise wrong(Fault.DOMAIN_IN_USE, f"domains.{domain}", text)


def touched(configuration: SipConfiguration, patch: SipConfigurationUpdate) -> dict[str, Any]:
    """Return what of a configuration a patch is about: what an audit record shows of it."""
    shown: dict[str, Any] = {}
    for field, kept, changes in (
        ("domains", configuration.domains, patch.domains),
        ("trunks", configuration.trunks, patch.trunks),
    ):
        if changes is UNSET:
            continue
        names = None if changes is None else {folded(name) for name in changes}
        entries: Mapping[str, msgspec.Struct] = kept
        shown[field] = {
            name: value for name, value in entries.items() if names is None or folded(name) in names
        }
    if patch.routes is not UNSET:
        shown["routes"] = configuration.routes
    return shown
