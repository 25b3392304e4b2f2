"""Texts that are to be sent on: what is due, and what came of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection, func, select, update

from sms.inward.placing import SOURCE, Key, Placer, Plan, decode_plan
from sms.inward.tables import forwards
from sms.store.finish import Finisher, decode_detail
from sms.store.inbound import InboundSms
from sms.text import Alphabet
from telephony.kernel.e164 import shorten
from telephony.kernel.ids import InteractionId, NodeId, ResourceId
from telephony.kernel.store.schema import bodies, interactions
from telephony.kernel.store.timeline import Entry, append_many
from telephony.routing.targets import Number

if TYPE_CHECKING:
    from sqlalchemy import Row

_f = forwards.c
_i = interactions.c


@dataclass(frozen=True, slots=True)
class Forward:
    """A text that is to be sent on."""

    resource: ResourceId
    id: bytes
    message: InteractionId
    target: Number
    hops: int
    at: int
    plan: Plan
    """What is left of its way when this fails."""
    text: InboundSms | None
    """As it came; None when it is not kept any more."""

    @property
    def key(self) -> Key:
        """The inbound message."""
        return self.resource, self.message


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a node has to send on."""

    due: Sequence[Forward]
    next_due: int | None
    """When the earliest is due; None: there is nothing."""


def waiting(node: NodeId, now: int, limit: int) -> Callable[[Connection], Waiting]:
    """Return the query for what is due, the earliest first, at most `limit`."""
    text = (bodies.c.resource == _f.resource) & (bodies.c.interaction == _f.message)
    query = (
        select(forwards, _i.carrier, _i.created, _i.detail, bodies.c.body)
        .select_from(forwards)
        .outerjoin(interactions, (_i.resource == _f.resource) & (_i.id == _f.message))
        .outerjoin(bodies, text)
        .where(_f.node == node, _f.due <= now)
        .order_by(_f.due, _f.id)
        .limit(limit)
    )
    earliest = select(func.min(_f.due)).where(_f.node == node)
    return lambda tx: Waiting([_forward(row) for row in tx.execute(query)], tx.execute(earliest).scalar())


def _forward(row: "Row[tuple[object, ...]]") -> Forward:
    plan = decode_plan(bytes(row.stops))
    target = plan.stops[0].settings
    assert isinstance(target, Number)
    text = None
    if row.body is not None and row.detail is not None:
        detail = decode_detail(row.detail)
        body = bytes(row.body)
        octets = detail.alphabet == Alphabet.BINARY.value
        text = InboundSms(
            row.carrier,
            "",
            row.created,
            row.own,
            row.peer,
            "" if octets else body.decode(),
            body,
            detail.alphabet,
            detail.segments,
            extras=detail.extras,
        )
    return Forward(
        ResourceId(bytes(row.resource)),
        bytes(row.id),
        InteractionId(bytes(row.message)),
        target,
        row.hops,
        row.at,
        Plan(plan.rule, plan.stops[1:]),
        text,
    )


@dataclass(slots=True)
class SettleForward:
    """Job: a text was sent on, or cannot be: then it goes where its rule leads next. Returns the finisher.

    What another gateway took over meanwhile is left to that.
    """

    finisher: Finisher
    forward: Forward
    now: int
    sent: str = ""
    """The id of the message by which it was sent on."""
    failed: str = ""
    """Why it was not."""

    def __call__(self, tx: Connection) -> Finisher:
        """See `telephony.kernel.store.jobs.Job`."""
        one, finisher = self.forward, self.finisher
        finisher.deliveries.clear()  # it may run twice
        placer = Placer(tx, finisher)
        mine = (_f.resource == one.resource, _f.id == one.id, _f.node == finisher.node)
        if tx.execute(update(forwards).where(*mine).values(node=None)).rowcount == 0:
            return finisher
        told: dict[str, object] = {"number": shorten(one.target.number)}
        if self.sent:
            self._note(tx, "message.forwarded", {**told, "message": self.sent, "hops": one.hops})
            return finisher
        self._note(
            tx, "route.failed", {"rule": one.plan.rule, "target": "number", **told, "reason": self.failed}
        )
        if one.text is not None:
            state = placer.go_on(one.key, one.text, one.plan, self.now)
            placer.write()
            tx.execute(
                update(interactions)
                .where(_i.resource == one.resource, _i.id == one.message, _i.state != state.value)
                .values(state=state.value, version=_i.version + 1, updated=self.now)
            )
        return finisher

    def _note(self, tx: Connection, kind: str, data: object) -> None:
        one = self.forward
        append_many(tx, [Entry(*one.key, self.now, self.finisher.node, SOURCE, kind, data)])


@dataclass(frozen=True, slots=True)
class PostponeForward:
    """Job: try it again later."""

    node: NodeId
    resource: ResourceId
    id: bytes
    due: int

    def __call__(self, tx: Connection) -> None:
        """See `telephony.kernel.store.jobs.Job`."""
        mine = (_f.resource == self.resource, _f.id == self.id, _f.node == self.node)
        tx.execute(update(forwards).where(*mine).values(due=self.due))
