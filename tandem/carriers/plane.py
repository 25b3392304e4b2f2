"""Carriers, joined: which are in force, their administration, and who hears of changes."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from carriers.model.carrier import Carrier
from sms.traffic import check_carrier
from tandem.carriers import admin
from tandem.carriers.directory import CarrierDirectory, LiveCarriers, Sealer
from tandem.carriers.needs import needs
from tandem.carriers.verbs import CarrierVerbs
from tandem.config.tree import Configuration
from telephony.kernel.clock import Clock
from telephony.kernel.http.route import Route
from telephony.kernel.store import Store


class CarrierPlane:
    """`live` are the carriers in force. Between `start` and `stop` they follow what any gateway changes."""

    def __init__(self, configuration: Configuration, *, store: Store, clock: Clock, sealer: Sealer) -> None:
        self._directory = CarrierDirectory(
            configuration.carriers, store=store, sealer=sealer, check=check_carrier
        )
        verbs = CarrierVerbs(
            store=store,
            clock=clock,
            sealer=sealer,
            directory=self._directory,
            data=configuration.data,
            check=check_carrier,
            needs=needs,
        )
        self.routes: Sequence[Route] = admin.routes(verbs)

    @property
    def live(self) -> LiveCarriers:
        """The carriers in force, now and at any later time."""
        return self._directory.carriers

    def trouble(self) -> Sequence[str]:
        """Return what is wrong, a sentence each."""
        return self._directory.trouble()

    def follow(
        self, told: Callable[[Mapping[str, Carrier]], None], refresh: Callable[[], Awaitable[None]]
    ) -> None:
        """Give `told` the carriers now and after every change, and await `refresh` after every change."""

        async def changed() -> None:
            told(self.live)
            await refresh()

        told(self.live)
        self._directory.follow(changed)

    async def start(self) -> None:
        """Read what is in force. Raises Unavailable when the store is away."""
        await self._directory.start()

    async def stop(self) -> None:
        """Follow no more."""
        await self._directory.stop()
