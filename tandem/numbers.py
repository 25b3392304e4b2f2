"""The inventory of numbers, joined to the rest: its verbs, its routes, and the watch over its holds."""

from collections.abc import Callable, Set
from dataclasses import dataclass

from telephony.kernel.clock import Clock
from telephony.kernel.http.route import Route
from telephony.kernel.ids import ResourceId
from telephony.kernel.store import Store
from telephony.numbers import admin, api, api_available
from telephony.numbers.directory import NumberDirectory
from telephony.numbers.settings import NumberSettings
from telephony.numbers.verbs import Numbers
from telephony.resources.audit import AuditSettings


@dataclass(frozen=True, slots=True)
class NumberPlane:
    """What the gateway needs of the plane."""

    directory: NumberDirectory
    """Whose number, asked with every message."""
    routes: tuple[Route, ...]


def number_plane(
    *,
    store: Store,
    clock: Clock,
    settings: NumberSettings,
    audit: AuditSettings,
    carriers: Set[str],
    knows: Callable[[ResourceId], bool],
) -> NumberPlane:
    """Return the plane; `carriers` are those in force, `knows` tells which resources exist."""
    directory = NumberDirectory(store, clock)
    numbers = Numbers(store=store, directory=directory, settings=settings, audit=audit)
    return NumberPlane(
        directory,
        (
            *api.routes(numbers),
            *api_available.routes(numbers),
            *admin.routes(store, directory, knows, carriers, clock.now),
        ),
    )
