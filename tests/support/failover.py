"""Several carriers on one store, each with a link that is a list; routes lead from one to the next."""

from collections.abc import Sequence
from typing import Any

from sms.departures import SOURCE
from sms.dispatch import Dispatcher
from sms.message import Outbound
from sms.outgoing import encoded
from sms.ports import MessageLimits
from sms.rerouting import Rerouting
from sms.send import Options, Recipient, Result, SendSms
from sms.ways import Outward
from telephony.numbers.directory import NumberDirectory
from telephony.routing.ports import Health
from telephony.routing.router import Router
from telephony.routing.rules import Kind, Route, RouteSet
from tests.support.routing import route_by
from tests.support.sms import NUMBER, PEER, FakeLink, Plane

__all__ = ["SOURCE", "Chain", "chain"]


class Chain:
    """Carriers `a`, `b` and so on: a message goes to the first, and on when that one does not take it."""

    def __init__(self, on: Plane, names: str, limits: MessageLimits | None, **changes: Any) -> None:
        self.on, self.names = on, names
        self.links = {name: FakeLink(name) for name in names}
        self.router = Router(_Bound(self))
        routes = tuple(
            Route(id=f"to-{name}", kind=Kind.SMS, target=name, priority=place)
            for place, name in enumerate(names)
        )
        route_by(self.router, RouteSet(routes=routes), *names)
        numbers = NumberDirectory(on.store, on.clock)
        self.limits = limits
        self.rerouting = Rerouting(
            store=on.store,
            clock=on.clock,
            node=on.node,
            outward=Outward(self.router, numbers, limits),
            encoder=lambda _: encoded,
            offer=self.offer,
        )
        self.changes = changes
        self.dispatchers = {name: self.dispatcher(name) for name in names}
        self.sending = SendSms(
            store=on.store,
            clock=on.clock,
            node=on.node,
            numbers=numbers,
            ways=self.router,
            settings=on.settings,
            offer=self.offer,
            backlog=lambda _: 0,
            limits=limits,
        )

    def dispatcher(self, name: str) -> Dispatcher:
        """Return a carrier's dispatcher, not started."""
        made = Dispatcher(
            name,
            store=self.on.store,
            clock=self.on.clock,
            node=self.on.node,
            settings=self.on.settings,
            finisher=self.on.finisher,
            ended=self.on.ended,
            rerouting=self.rerouting,
            **self.changes,
        )
        self.links[name].dispatcher = made
        self.on.dispatchers.append(made)
        return made

    async def start(self) -> "Chain":
        """Start every carrier."""
        for name, dispatcher in self.dispatchers.items():
            await dispatcher.start([self.links[name]])
        return self

    def offer(self, carrier: str, messages: Sequence[Outbound]) -> None:
        """Hand messages to a carrier's dispatcher."""
        self.dispatchers[carrier].offer(messages)

    async def send(self, text: str = "Hello", *to: str, **options: Any) -> Result:
        """Send a text; return the last result."""
        recipients = [Recipient(one) for one in to or (PEER,)]
        made = Options(report=True, **options)
        results = await self.sending(self.on.resource, NUMBER, recipients, text, made, "request")
        return results[-1]

    def second(self) -> None:
        """Let a second's sweep happen."""
        bound = {name for name, link in self.links.items() if link.bound}
        for name, dispatcher in self.dispatchers.items():
            dispatcher.expire(others=bool(bound - {name}))


class _Bound(Health):
    """A carrier takes texts while its link is bound."""

    def __init__(self, of: Chain) -> None:
        self._of = of

    def usable(self, carrier: str, kind: Kind) -> bool:
        """See `Health`."""
        return self._of.links[carrier].bound


async def chain(on: Plane, names: str = "ab", limits: MessageLimits | None = None, **changes: Any) -> Chain:
    """Return started carriers; `changes` are a dispatcher's."""
    return await Chain(on, names, limits, **changes).start()
