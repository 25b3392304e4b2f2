"""Routing, joined to the rest: the tables in force, their administration, and what they ask of others."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from carriers.model.carrier import Carrier
from sms.inward.targets import SUBSCRIPTIONS
from telephony.calling.targets import VOICE_TARGETS
from telephony.kernel.clock import Clock
from telephony.kernel.http.route import Route
from telephony.kernel.ids import ResourceId
from telephony.kernel.store import Store
from telephony.numbers.directory import NumberDirectory
from telephony.routing import admin
from telephony.routing.directory import Carriers, RouteDirectory
from telephony.routing.explain import Explain
from telephony.routing.formats import NumberFormats
from telephony.routing.ports import Limits, Prices, Unlimited, Unpriced
from telephony.routing.router import Router
from telephony.routing.rules import Kind
from telephony.routing.targets import BASIC, TargetKinds
from telephony.routing.verbs import RouteVerbs
from telephony.routing.voice import OwnRoutes, VoiceRouter


class RoutingPlane:
    """`router` decides. Between `start` and `stop` it follows what is put in force on any gateway."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        carriers: Mapping[str, Carrier],
        reachable: Callable[[str], bool],
        numbers: NumberDirectory,
        knows: Callable[[ResourceId], bool],
        prices: Prices | None = None,
        limits: Limits | None = None,
        own: OwnRoutes | None = None,
    ) -> None:
        """`reachable` tells whether this gateway can send to a carrier now, `knows` which resources exist,
        `own` their own trunks."""

        def formats() -> dict[str, NumberFormats]:
            return {name: formats_of(carrier) for name, carrier in carriers.items()}

        self.kinds = TargetKinds((*BASIC, SUBSCRIPTIONS, *VOICE_TARGETS))
        """Where inbound rules may lead to; planes register theirs before `start`."""
        self.router = Router(LinkHealth(reachable))
        self.voice: Final = VoiceRouter(self.router, own)
        """Asked with every call: the resource's own trunks first, then the operator's carriers."""
        self.carriers: Final[Carriers] = formats
        """How the carriers that there are now write numbers."""
        self._directory = RouteDirectory(store, self.router, self.kinds, formats)
        verbs = RouteVerbs(
            store=store, clock=clock, directory=self._directory, kinds=self.kinds, carriers=formats
        )
        explain = Explain(
            self.router,
            clock=clock,
            owners=NumberOwners(numbers),
            prices=prices or Unpriced(),
            limits=limits or Unlimited(),
            voice=self.voice,
        )
        self.routes: Sequence[Route] = admin.routes(verbs, explain, knows)

    def trouble(self) -> Sequence[str]:
        """Return what is wrong, a sentence each."""
        return self._directory.trouble()

    async def refresh(self) -> None:
        """Take over which carriers there are, and what is in force. Raises Unavailable."""
        await self._directory.refresh()

    async def start(self) -> None:
        """Take over what is in force. Raises Unavailable when the store is away."""
        await self._directory.start()

    async def stop(self) -> None:
        """Follow no more."""
        await self._directory.stop()


class LinkHealth:
    """A carrier takes texts while a link of its is bound that may send; implements `Health`."""

    def __init__(self, reachable: Callable[[str], bool]) -> None:
        self._reachable = reachable

    def usable(self, carrier: str, kind: Kind) -> bool:
        """See `telephony.routing.ports.Health`."""
        return kind is not Kind.SMS or self._reachable(carrier)


class NumberOwners:
    """Whose numbers are, from the inventory; implements `Owners`."""

    def __init__(self, numbers: NumberDirectory) -> None:
        self._numbers = numbers

    async def owner(self, number: str) -> ResourceId | None:
        """See `telephony.routing.explain.Owners`."""
        found = await self._numbers.find(number)
        return None if found is None else found.resource

    async def carrier(self, number: str) -> str:
        """See `telephony.routing.explain.Owners`."""
        found = await self._numbers.find(number)
        return "" if found is None else found.carrier


def formats_of(carrier: Carrier) -> NumberFormats:
    """Return how a carrier writes numbers: the message plane goes by the same."""
    return carrier.number_formats()
