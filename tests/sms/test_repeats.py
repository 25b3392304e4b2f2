"""Carriers that send again because they did not get our answer, and people who say it twice."""

from typing import Any

import pytest

from sms.inlet import LATE_SECONDS, Inlet
from sms.message import from_wire_id
from sms.reassembly import ReassemblySettings
from sms.settings import SmsSettings
from sms.smpp.constants import CommandStatus, Tag
from sms.store.queries import MessageSummary, Search
from sms.suspects import MOST, Suspects
from telephony.kernel.errors import Unavailable
from telephony.kernel.store import Store
from telephony.kernel.store.leases import RegisterNode, TakeOver
from tests.support.sms import FakeLink, Plane, plane, text

pytestmark = pytest.mark.wire

OK, AGAIN = int(CommandStatus.ESME_ROK), int(CommandStatus.ESME_RX_T_APPN)
ID = int(Tag.RECEIPTED_MESSAGE_ID)


async def take(
    on: Plane, inlet: Inlet, link: FakeLink | None = None, body: bytes = b"OK", **fields: Any
) -> int:
    """Deliver one; return its status."""
    link = link or FakeLink()
    inlet.delivered(link, text(body, **fields), 1)
    await inlet.flush()
    return link.answers[-1][1]


async def received(on: Plane) -> list[MessageSummary]:
    return await on.store.read(Search(resource=on.resource, direction="inbound"))


async def test_people_may_say_the_same_twice(store: Store) -> None:
    on = await plane(store)
    inlet = on.inlet()
    assert [await take(on, inlet), await take(on, inlet)] == [OK, OK]
    assert len(await received(on)) == 2


async def test_a_message_repeated_after_its_link_was_lost_is_kept_once(store: Store) -> None:
    on = await plane(store)
    inlet = on.inlet()
    await take(on, inlet)
    inlet.link_lost("one")
    assert await take(on, inlet, FakeLink("two")) == OK
    (message,) = await received(on)
    assert message.message_id
    assert await take(on, inlet) == OK  # repeated once for each loss
    assert len(await received(on)) == 2


async def test_the_repetition_stands_in_the_first_ones_timeline(store: Store) -> None:
    on = await plane(store)
    inlet = on.inlet()
    await take(on, inlet)
    inlet.link_lost("one")
    await take(on, inlet, FakeLink("two"))
    identifier = from_wire_id((await received(on))[0].message_id)
    assert identifier is not None
    last = (await on.view(identifier)).timeline[-1]
    assert (last.kind, last.source, last.data["link"]) == ("message.repeated", "link:two", "two")


async def test_two_alike_that_were_both_unanswered_are_each_repeated(store: Store) -> None:
    on = await plane(store)
    inlet = on.inlet()
    for _ in range(2):
        await take(on, inlet)
    inlet.link_lost("one")
    for _ in range(2):
        await take(on, inlet)
    assert len(await received(on)) == 2


@pytest.mark.parametrize(("seconds", "lost", "kept"), [(11, "one", 2), (0, "another", 2), (0, "one", 1)])
async def test_only_answers_shortly_before_the_loss_of_their_own_link_are_in_doubt(
    store: Store, seconds: int, lost: str, kept: int
) -> None:
    on = await plane(store)
    inlet = on.inlet()
    await take(on, inlet)
    on.clock.advance(seconds)
    inlet.link_lost(lost)
    await take(on, inlet)
    assert len(await received(on)) == kept


async def test_other_words_or_a_long_time_make_another_message(store: Store) -> None:
    on = await plane(store)
    inlet = on.inlet()
    await take(on, inlet)
    inlet.link_lost("one")
    await take(on, inlet, body=b"OK!")
    on.clock.advance(301)
    await take(on, inlet)
    assert len(await received(on)) == 3


async def test_a_message_answered_after_its_connection_was_gone_is_in_doubt(store: Store) -> None:
    on = await plane(store)
    inlet = on.inlet()
    inlet.delivered(FakeLink(), text(b"OK"), 1)
    inlet.link_lost("one")
    await inlet.flush()
    await take(on, inlet)
    assert len(await received(on)) == 1


async def test_a_late_answer_is_in_doubt(store: Store) -> None:
    on = await plane(store)
    inlet = on.inlet()
    inlet.delivered(FakeLink(), text(b"OK"), 1)
    on.clock.advance(LATE_SECONDS + 1)
    await inlet.flush()
    await take(on, inlet)
    assert len(await received(on)) == 1


async def test_a_commit_whose_answer_was_lost_is_found_when_the_carrier_tries_again(
    sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    on = await plane(sqlite_store)
    inlet, write = on.inlet(), on.store.write

    async def lost(job: Any) -> Any:
        await write(job)
        raise Unavailable("the answer was lost")

    monkeypatch.setattr(inlet._messages, "_write_job", lost)
    assert await take(on, inlet) == AGAIN
    monkeypatch.setattr(inlet._messages, "_write_job", write)
    assert await take(on, inlet) == OK
    assert len(await received(on)) == 1


async def test_what_a_dead_process_answered_last_is_in_doubt(store: Store) -> None:
    on = await plane(store)
    await take(on, on.inlet(), body=b"long before")
    on.clock.advance(60)
    await take(on, on.inlet())
    on.node = await store.write(RegisterNode("next"))
    await store.write(TakeOver(on.node, alone=True))
    on.clock.advance(60)
    inlet = on.inlet()
    await take(on, inlet)
    await take(on, inlet, body=b"long before")
    assert len(await received(on)) == 3


async def test_a_process_that_stopped_in_order_leaves_no_doubt(store: Store) -> None:
    on = await plane(store)
    inlet = on.inlet()
    await take(on, inlet)
    inlet.drain()
    inlet.link_lost("one")
    await inlet.stop()
    on.node = await store.write(RegisterNode("next"))
    await store.write(TakeOver(on.node, alone=True))
    await take(on, on.inlet())
    assert len(await received(on)) == 2


async def test_a_message_with_the_carriers_id_is_known_by_it(store: Store) -> None:
    on = await plane(store)
    inlet = on.inlet()
    for name in (b"77\0", b"77\0", b"78\0"):
        assert await take(on, inlet, tlvs=((ID, name),)) == OK
    assert len(await received(on)) == 2


async def test_it_can_be_turned_off(sqlite_store: Store) -> None:
    settings = SmsSettings(reassembly=ReassemblySettings(repeat_seconds=0))
    on = await plane(sqlite_store, settings=settings)
    inlet = on.inlet()
    await take(on, inlet)
    inlet.link_lost("one")
    await take(on, inlet)
    assert len(await received(on)) == 2


def test_suspects_are_bounded_and_doubted_once() -> None:
    suspects = Suspects(10)
    for number in range(MOST + 1):
        suspects.add(str(number).encode(), 0.0)
    assert not suspects.take(b"0", 1.0)
    assert suspects.take(b"1", 1.0)
    assert not suspects.take(b"1", 1.0)
    assert not suspects.take(b"2", 10.0)
