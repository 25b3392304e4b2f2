"""What words do, inside the transaction that keeps the texts they stand in."""

from collections.abc import Callable, Sequence
from typing import Final

from sqlalchemy import Connection, and_, insert, select, update

from sms.compliance.settings import ComplianceSettings
from sms.compliance.words import Meaning, Spoken, Words
from sms.message import Outbound, SmsDetail, wire_id
from sms.optouts import store as optouts
from sms.optouts.tables import automatic_replies
from sms.outgoing import Encode, encoded
from sms.settings import SmsSettings
from sms.store.accept import AcceptMessages, NewMessage
from sms.store.finish import Finisher
from sms.ways import NoRoute, Party, find_way
from telephony.kernel import ids
from telephony.kernel.clock import DAY, HOUR, SECOND
from telephony.kernel.e164 import parse_e164
from telephony.kernel.errors import InvalidRequest
from telephony.kernel.ids import InteractionId
from telephony.kernel.store.timeline import Entry, append_many
from telephony.numbers.store import FindNumber
from telephony.routing.decide import Hop
from telephony.routing.ports import WaysOut

SOURCE: Final = "compliance"
"""The source of what words did, in timelines."""


class Compliance:
    """Words and their answers on one node."""

    def __init__(
        self,
        settings: SmsSettings,
        encoder: Callable[[str], Encode] = lambda _: encoded,
        ways: WaysOut | None = None,
    ) -> None:
        """`encoder` gives, for a carrier's name, what turns texts into parts for it; `ways` tell by which
        carrier answers leave, None: by the one that brought the word."""
        self._ways = ways
        self._settings = settings
        self._encoder = encoder
        self.words: Final = Words(settings.compliance)

    def obey(self, tx: Connection, finisher: Finisher, spoken: Sequence[Spoken]) -> None:
        """Do what words ask for, in their order; answers are left in `finisher.replies`.

        An answer is given to every word that asks for help and to every
        word that changed something, but only to a telephone number: short codes and names answer nobody. It
        goes to one that has opted out as well; within the limits, that is its confirmation.
        """
        optouts.lock_to_change(tx)
        for one in spoken:
            pair = (one.resource, one.own, one.peer)
            kind = "asked-for-help"
            changed = True
            if one.word.meaning is Meaning.STOP:
                kind = "opt-out.added"
                source = f"word:{one.word.spelled}"
                changed = bool(optouts.add(tx, finisher, [pair], at=one.at, source=source))
            elif one.word.meaning is Meaning.START:
                kind = "opt-out.removed"
                changed = bool(optouts.remove(tx, [pair]))
            if not changed:
                continue
            answer = self._answer(tx, finisher, one)
            data = {"word": one.word.spelled, "answer": answer}
            append_many(tx, [Entry(one.resource, one.id, one.at, finisher.node, SOURCE, kind, data)])

    def _answer(self, tx: Connection, finisher: Finisher, one: Spoken) -> str:
        """Accept the answer for sending; return its id on the wire, or why there is none."""
        if not one.word.reply:
            return "none is set"
        if parse_e164(one.peer) is None:
            return "not to what is no telephone number"
        if not _within_limits(tx, one, self._settings.compliance):
            return "too many already"
        settings = self._settings
        identifier = InteractionId(ids.new_id(one.at))
        try:
            carrier, hops = self._way(tx, one, identifier)
        except (NoRoute, InvalidRequest) as error:
            return error.message
        parts = self._encoder(carrier)(one.word.reply)
        expires = one.at + settings.validity_seconds * SECOND
        message = NewMessage(
            one.resource,
            identifier,
            one.own,
            one.peer,
            carrier,
            one.word.reply.encode(),
            SmsDetail(len(parts.bodies), parts.alphabet.value, uncounted=True),
            route=hops[0].route if hops else "",
            then=tuple(hop.target for hop in hops[1:]),
        )
        body_until = max(one.at + settings.body_days * DAY, expires)
        request = wire_id(one.id, "inbound")
        AcceptMessages(
            finisher.node, one.at, request, expires, body_until, [message], source=SOURCE, even_opted_out=True
        )(tx)
        outbound = Outbound(one.resource, identifier, one.own, one.peer, one.word.reply, expires, 0)
        finisher.replies.append((carrier, outbound))
        return wire_id(identifier, "outbound")

    def _way(self, tx: Connection, one: Spoken, identifier: InteractionId) -> tuple[str, tuple[Hop, ...]]:
        """Return the carrier that an answer leaves by, and all of its ways.

        Raises NoRoute, InvalidRequest.
        """
        if self._ways is None:
            return one.carrier, ()
        owned = FindNumber(one.own)(tx)
        party = Party(one.resource, one.own, "" if owned is None else owned.carrier)
        _, hops = find_way(self._ways, party, one.peer, one.at, identifier)
        return hops[0].target, hops


def _within_limits(tx: Connection, one: Spoken, settings: ComplianceSettings) -> bool:
    """Count an automatic answer; tell whether it may be given."""
    table = automatic_replies.c
    same = and_(table.resource == one.resource, table.own == one.own, table.peer == one.peer)
    row = tx.execute(select(automatic_replies).where(same)).first()
    hour, in_hour, day, in_day = (one.at, 0, one.at, 0)
    if row is not None:
        if one.at - row.hour < HOUR:
            hour, in_hour = row.hour, row.in_hour
        if one.at - row.day < DAY:
            day, in_day = row.day, row.in_day
    if in_hour >= settings.replies_an_hour or in_day >= settings.replies_a_day:
        return False
    values = {"hour": hour, "in_hour": in_hour + 1, "day": day, "in_day": in_day + 1, "expires": day + DAY}
    if row is None:
        key = {"resource": one.resource, "own": one.own, "peer": one.peer}
        tx.execute(insert(automatic_replies), key | values)
    else:
        tx.execute(update(automatic_replies).where(same).values(values))
    return True
