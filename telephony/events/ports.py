"""What this plane needs from others, in its own words; `tandem` joins them."""

from collections.abc import Iterable
from typing import Protocol

from telephony.kernel.ids import ResourceId, SubscriptionId


class Sealer(Protocol):
    """Seals what the database must not give away."""

    def seal(self, plain: bytes, context: bytes) -> bytes:
        """Return `plain` sealed for the place `context` alone."""
        ...

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """Return what was sealed for `context`. Raises TandemError when it does not open."""
        ...


class Tenants(Protocol):
    """Knows the resources."""

    def knows(self, resource: ResourceId) -> bool:
        """Tell whether there is such a resource."""
        ...


class Wakes(Protocol):
    """Delivers; the verbs tell it when there is more to do."""

    def wake(self, subscriptions: Iterable[SubscriptionId]) -> None:
        """Look into the store for deliveries of these subscriptions."""
        ...
