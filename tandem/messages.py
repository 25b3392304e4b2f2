"""Text messages, joined to the rest: carriers' links, applications that bind to us, sending, opt-outs."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack

from carriers.model.carrier import Carrier
from sms import admin as sms_admin
from sms import api as sms_api
from sms import receipt_admin
from sms import reports as reports_api
from sms.esme import admin as esme_admin
from sms.esme.directory import AccountDirectory
from sms.esme.outbox import Outbox
from sms.esme.service import EsmeService
from sms.esme.verbs import AccountVerbs
from sms.inward.forwarder import Forwarder
from sms.inward.placing import Inward
from sms.optouts import api as optouts_api
from sms.optouts.verbs import OptOutVerbs
from sms.ports import InboundCharges
from sms.send import SendSms
from sms.service import SmsService
from sms.ways import Outward
from tandem.config.tree import Configuration
from telephony.events.deliverer import Deliverer
from telephony.events.subscriptions import SubscriptionDirectory
from telephony.kernel.clock import Clock
from telephony.kernel.http.route import Route
from telephony.kernel.ids import NodeId
from telephony.kernel.store import Store
from telephony.numbers.directory import NumberDirectory
from telephony.resources.directory import Directory
from telephony.resources.seal import SelfDescribing
from telephony.routing.router import Router
from telephony.usage.limiter import Limiter


class MessagePlane:
    """`sms` has the links to the carriers, `accounts` who may bind to us. `start`, then `stop`."""

    def __init__(
        self,
        configuration: Configuration,
        *,
        carriers: Mapping[str, Carrier],
        store: Store,
        clock: Clock,
        node: NodeId,
        resources: Directory,
        sealer: SelfDescribing,
        numbers: NumberDirectory,
        ways: Router,
        limits: Limiter,
        subscriptions: SubscriptionDirectory,
        deliverer: Deliverer,
        charges: InboundCharges,
        alone: bool,
    ) -> None:
        """`ways` decides where texts go, `charges` what inbound ones come to; `alone` tells that no other
        gateway can have this database."""
        self._configuration, self._store, self._clock = configuration, store, clock
        self._resources = resources
        self.accounts = AccountDirectory(store, sealer)
        self.accounts.admits = resources.admits
        outbox = Outbox(self.accounts, configuration.smpp_server.keep_days)
        inward = Inward(ways, sealer, charges)
        self.sms = SmsService(
            carriers,
            store=store,
            clock=clock,
            node=node,
            settings=configuration.sms,
            subscriptions=subscriptions,
            enqueue=deliverer.enqueue,
            esmes=outbox,
            inward=inward,
            outward=Outward(ways, numbers, limits),
        )
        sms = self.sms
        self._send = SendSms(
            store=store,
            clock=clock,
            node=node,
            numbers=numbers,
            ways=ways,
            settings=configuration.sms,
            offer=sms.offer,
            reserve=sms.reserve,
            backlog=sms.backlog,
            encoder=sms.encoder,
            schedules=sms.schedules,
            limits=limits,
        )
        self._forwarder = Forwarder(
            store=store, clock=clock, node=node, send=self._send, finisher=sms.finisher, ended=sms.ended
        )
        inward.wake = self._forwarder.wake
        self._optouts = OptOutVerbs(
            store=store, clock=clock, numbers=numbers, finisher=sms.finisher, ended=sms.ended
        )
        self._esmes = EsmeService(
            store=store,
            clock=clock,
            node=node,
            directory=self.accounts,
            outbox=outbox,
            send=self._send,
            numbers=numbers,
            inlet=sms.inlet,
            life=sms.life,
            settings=configuration.smpp_server,
            alone=alone,
        )
        self._account_verbs = AccountVerbs(
            store=store,
            clock=clock,
            sealer=sealer,
            directory=self.accounts,
            reception=self._esmes.reception,
        )
        self._started = AsyncExitStack()

    @property
    def routes(self) -> tuple[Route, ...]:
        """The operations of ACS SMS, and of the administration of messages, links and accounts."""
        knows = self._resources.knows
        return (
            *sms_api.routes(self._send, self._clock),
            *optouts_api.routes(self._optouts),
            *reports_api.routes(self._store),
            *sms_admin.routes(
                self._store, lambda: [link.status() for link in self.sms.links], knows, self.sms.life
            ),
            *receipt_admin.routes(self.sms.receipt_ids),
            *esme_admin.routes(self._account_verbs, knows),
        )

    def trouble(self) -> Sequence[str]:
        """Return what is wrong, a sentence each."""
        links = [f"link {link.name} is not bound" for link in self.sms.links if not link.bound]
        return [*links, *self._esmes.trouble()]

    async def start(self) -> None:
        """Take over what waits in the store, bind, and let others bind.

        Raises Unavailable when the store is away, ConfigurationError when an address cannot be listened on.
        """
        async with AsyncExitStack() as started:
            await self.accounts.start()
            started.push_async_callback(self.accounts.stop)
            await self.sms.start()
            started.push_async_callback(self.sms.stop)
            await self._forwarder.start()
            started.push_async_callback(self._forwarder.stop)
            if self._configuration.smpp_server.enabled:
                await self._esmes.start()
                started.push_async_callback(self._esmes.stop)
            self._started = started.pop_all()

    async def adopt(self) -> None:
        """Go on with what this node took over from a dead one. Raises Unavailable; then call it again."""
        await self.sms.adopt()
        self._forwarder.wake()
        await self._esmes.adopt()

    async def stop(self) -> None:
        """Take nothing new, keep every answer that is still to come, unbind."""
        await self._started.aclose()
