"""What a node makes of receipts while the form of their ids is learned, and when it was the wrong one."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from sqlalchemy import func, select, update
from structlog.testing import capture_logs

from carriers.model.carrier import Carrier
from carriers.model.smpp import IdForm, ReceiptIds, SmppLink
from sms.inlet import Inlet
from sms.message import Outbound
from sms.receipt_learning import GRACE, RESPONSE_SECONDS
from sms.receipt_metrics import COLLECTOR
from sms.receipts import match_id
from sms.store.receipts import EARLY_FOR
from sms.store.submit import ClaimMessages, RecordOutcomes, Submitted
from sms.store.tables import early_receipts, parked_receipts
from telephony.kernel.clock import SECOND
from telephony.kernel.store import Store
from telephony.kernel.store.retention import RetentionSettings, purge
from telephony.kernel.store.schema import interactions
from tests.support.sms import CARRIER, FakeLink, Plane, plane, receipt

pytestmark = pytest.mark.wire

GRACE_SECONDS = RESPONSE_SECONDS * GRACE
OTHER = "+13105550123"


@dataclass
class House:
    """A plane and the inlet that takes its receipts."""

    on: Plane
    inlet: Inlet
    messages: dict[str, Outbound] = field(default_factory=dict)
    """By the id in the response."""

    async def submit(self, *ids: str, peer: str | None = None) -> None:
        """Have messages taken by the carrier under these ids."""
        on = self.on
        messages = await on.accept(count_=len(ids))
        keys = [(message.resource, message.id) for message in messages]
        await on.store.write(ClaimMessages(on.node, on.clock.now(), keys))
        if peer is not None:
            table = interactions.c
            await on.store.write(
                lambda tx: tx.execute(
                    update(interactions).where(table.id.in_([one.id for one in messages])).values(peer=peer)
                )
            )
        taken = [
            Submitted(key, 1, 1, CARRIER, "one", match_id(spelled), on.clock.now(), True, 10**6)
            for key, spelled in zip(keys, ids, strict=True)
        ]
        on.ended(await on.store.write(RecordOutcomes(on.finisher(), taken)))
        self.messages |= dict(zip(ids, messages, strict=True))

    async def deliver(self, *ids: str, link: str = "one", **fields: Any) -> None:
        """Have receipts come in under these ids."""
        answers = FakeLink(link)
        for sequence, spelled in enumerate(ids):
            self.inlet.delivered(answers, receipt(spelled, **fields), sequence)
        await self.inlet.flush()
        assert [status for _, status in answers.answers] == [0] * len(ids)

    async def sweep(self, seconds: float = 0.0) -> None:
        self.on.clock.advance(seconds)
        await self.inlet.forms.sweep()

    async def states(self, *ids: str) -> list[str]:
        return [await self.on.state(self.messages[spelled]) for spelled in ids]

    @property
    def form(self) -> IdForm | None:
        return self.inlet.forms.of("one").form

    async def parked(self) -> int:
        return await self._count(parked_receipts)

    async def early(self) -> int:
        return await self._count(early_receipts)

    async def _count(self, table: Any) -> int:
        query = select(func.count()).select_from(table)
        return int(await self.on.store.read(lambda tx: tx.execute(query).scalar_one()))


async def house(store: Store, setting: ReceiptIds = "auto", **changes: Any) -> House:
    return await again(await plane(store, carrier=Carrier(receipt_id=setting, **changes)))


async def again(on: Plane) -> House:
    """Return a house of the same plane after a restart."""
    made = House(on, on.inlet())
    await made.inlet.forms.start()
    return made


def decimals(count: int, first: int = 1_000_000) -> list[str]:
    return [str(first + 37 * number) for number in range(count)]


def hexed(ids: Sequence[str]) -> list[str]:
    return [f"{int(spelled):x}" for spelled in ids]


async def learned(store: Store, **changes: Any) -> House:
    """Return a house that has learned `hex-to-decimal`."""
    made = await house(store, **changes)
    ids = decimals(20)
    await made.submit(*ids)
    await made.deliver(*hexed(ids))
    await made.sweep(GRACE_SECONDS)
    assert made.form == "hex-to-decimal"
    await made.sweep()  # what was parked while it was learned
    return made


async def test_receipts_wait_until_twenty_pairs_are_there_and_the_log_says_so(store: Store) -> None:
    on = await house(store)
    ids = decimals(20)
    await on.submit(*ids)
    await on.deliver(*hexed(ids))
    assert set(await on.states(*ids)) == {"submitted"}
    await on.sweep()
    assert (on.form, await on.parked()) == (None, 20)
    with capture_logs() as logs:
        await on.sweep(GRACE_SECONDS)
    (said,) = (entry for entry in logs if entry["event"] == "receipt.form_learned")
    assert (said["carrier"], said["form"], said["pairs"]["hex-to-decimal"]) == (CARRIER, "hex-to-decimal", 20)
    assert set(await on.states(*ids)) == {"delivered"}
    assert (await on.parked(), await on.early()) == (0, 0)
    more = decimals(2, 5_000_000)
    await on.submit(*more)
    await on.deliver(*hexed(more))
    assert await on.states(*more) == ["delivered"] * 2


async def test_a_receipt_alone_waits_for_every_response_that_could_name_another(sqlite_store: Store) -> None:
    on = await house(sqlite_store)
    await on.submit("1000001")
    await on.deliver("f4241")
    await on.sweep(GRACE_SECONDS - 1)
    assert await on.states("1000001") == ["submitted"]
    await on.sweep(1)
    assert await on.states("1000001") == ["delivered"]
    assert on.form is None


async def test_an_id_that_may_name_two_messages_waits(sqlite_store: Store) -> None:
    on = await house(sqlite_store)
    await on.submit("100", "256")
    await on.deliver("100", "100")
    await on.sweep(GRACE_SECONDS)
    assert await on.states("100", "256") == ["submitted"] * 2
    (status,) = await on.inlet.forms.status()
    assert (status.setting, status.form, status.parked, status.examples) == ("auto", None, 2, ("100", "100"))
    registry = CollectorRegistry()
    registry.register(COLLECTOR)
    text = generate_latest(registry).decode()
    assert f'tandem_receipts_parked{{carrier="{CARRIER}",link=""}} 2.0' in text
    assert f'tandem_receipt_id_form{{carrier="{CARRIER}",form="unknown",link=""}} 1.0' in text
    ids = decimals(20)
    await on.submit(*ids)
    await on.deliver(*hexed(ids))
    await on.sweep(GRACE_SECONDS)
    assert on.form == "hex-to-decimal"
    assert await on.states("100", "256") == ["submitted", "delivered"]
    assert await on.parked() == 0


async def test_of_two_messages_the_one_with_the_receipts_recipient_is_meant(sqlite_store: Store) -> None:
    on = await house(sqlite_store)
    await on.submit("100", peer=OTHER)
    await on.submit("256")
    await on.deliver("100")
    await on.sweep(GRACE_SECONDS)
    assert await on.states("100", "256") == ["submitted", "delivered"]


async def test_a_message_to_somebody_else_is_not_taken_for_the_one_that_is_meant(sqlite_store: Store) -> None:
    on = await house(sqlite_store)
    await on.submit("100", peer=OTHER)
    await on.deliver("100")
    await on.sweep(GRACE_SECONDS)
    assert (await on.states("100"), await on.parked()) == (["submitted"], 1)


async def test_a_receipt_before_its_response_is_not_given_to_the_message_that_is_there(
    sqlite_store: Store,
) -> None:
    on = await house(sqlite_store)
    await on.submit("100")  # what the receipt would name as it stands
    await on.deliver("100")
    await on.sweep(1)
    await on.submit("256")
    await on.sweep(GRACE_SECONDS)
    assert await on.states("100", "256") == ["submitted"] * 2
    assert await on.parked() == 1


@pytest.mark.parametrize("ids", [["msg-7", "a/b"], ["0af3", "FFEE"], ["7", "9"]])
async def test_ids_that_leave_no_doubt_are_matched_at_once(sqlite_store: Store, ids: list[str]) -> None:
    on = await house(sqlite_store)
    await on.submit(*ids)
    await on.deliver(*(spelled.swapcase() for spelled in ids))
    assert await on.states(*ids) == ["delivered"] * 2
    assert await on.parked() == 0


async def test_what_was_learned_from_ids_without_doubt_counts_too(sqlite_store: Store) -> None:
    on = await house(sqlite_store)
    ids = [f"abc{number:x}" for number in range(20)]
    await on.submit(*ids)
    await on.deliver(*ids)
    await on.submit("123456")
    await on.deliver("123456")
    await on.sweep(GRACE_SECONDS)
    assert on.form == "same"
    assert await on.states("123456") == ["delivered"]


async def test_a_receipt_twice_is_one_pair(sqlite_store: Store) -> None:
    on = await house(sqlite_store)
    ids = decimals(19)
    await on.submit(*ids)
    await on.deliver(*hexed(ids), *hexed(ids), *hexed(ids))
    await on.sweep(GRACE_SECONDS)
    assert on.form is None


async def test_what_was_learned_survives_a_restart(sqlite_store: Store) -> None:
    on = await again((await learned(sqlite_store)).on)
    assert on.form == "hex-to-decimal"
    await on.submit("4096")
    await on.deliver("1000")
    assert await on.states("4096") == ["delivered"]


async def test_a_receipt_before_its_response_is_matched_with_it_in_the_learned_form(store: Store) -> None:
    on = await learned(store)
    await on.deliver("1000")
    assert await on.early() == 1
    await on.submit("4096")
    assert await on.states("4096") == ["delivered"]


async def test_one_gateway_learns_and_another_knows(postgresql_store: Store) -> None:
    on = await house(postgresql_store)
    other = await again(on.on)
    ids = decimals(20)
    await on.submit(*ids)
    await on.deliver(*hexed(ids))
    await on.sweep(GRACE_SECONDS)
    assert other.form is None
    await other.sweep()
    assert other.form == "hex-to-decimal"


async def test_a_carrier_that_changes_its_form_is_found_out_and_nothing_is_guessed(store: Store) -> None:
    on = await learned(store)
    ids = decimals(20, 3_000_000)
    await on.submit(*ids)
    await on.sweep(60)
    await on.deliver(*ids[:19])
    await on.sweep(GRACE_SECONDS)
    assert (on.form, await on.parked()) == ("hex-to-decimal", 19)
    assert set(await on.states(*ids)) == {"submitted"}
    with capture_logs() as logs:
        await on.deliver(ids[19])
        await on.sweep(GRACE_SECONDS)
    (said,) = (entry for entry in logs if entry["event"] == "receipt.form_changed")
    assert (said["was"], said["form"], said["log_level"]) == ("hex-to-decimal", "same", "warning")
    assert set(await on.states(*ids)) == {"delivered"}
    assert await on.parked() == 0
    assert on.inlet.forms.of("one").totals.changes == 1


async def test_a_few_ids_that_fit_another_form_do_not_undo_what_was_learned(sqlite_store: Store) -> None:
    on = await learned(sqlite_store)
    strays, right = decimals(30, 3_000_000), decimals(30, 7_000_000)
    await on.submit(*strays, *right)
    for number in range(30):
        await on.deliver(strays[number])
        await on.deliver(f"{int(right[number]):x}")
        await on.sweep(1)
    await on.sweep(GRACE_SECONDS)
    assert on.form == "hex-to-decimal"
    assert set(await on.states(*strays)) == {"submitted"}
    assert set(await on.states(*right)) == {"delivered"}
    assert await on.parked() == 30


async def test_receipts_that_wait_for_slow_responses_do_not_undo_what_was_learned(
    sqlite_store: Store,
) -> None:
    on = await learned(sqlite_store)
    numbers = range(400, 450)  # hexadecimal 400 to 449 are sent; as they stand, they name 400 to 449
    await on.submit(*(str(number) for number in numbers))
    late = [int(str(number), 16) for number in numbers]
    await on.sweep(60)
    await on.deliver(*(str(number) for number in numbers))
    await on.sweep(RESPONSE_SECONDS)
    await on.submit(*(str(number) for number in late))
    await on.sweep(GRACE_SECONDS)
    assert on.form == "hex-to-decimal"
    assert set(await on.states(*(str(number) for number in late))) == {"delivered"}
    assert set(await on.states(*(str(number) for number in numbers))) == {"submitted"}


async def test_in_a_known_form_a_message_to_somebody_else_is_not_meant(sqlite_store: Store) -> None:
    on = await learned(sqlite_store)
    await on.submit("4096", peer=OTHER)
    await on.deliver("1000")
    await on.sweep(GRACE_SECONDS)
    assert (await on.states("4096"), await on.parked()) == (["submitted"], 1)


async def test_a_carrier_that_hides_recipients_is_learned_by_the_ids_alone(sqlite_store: Store) -> None:
    on = await house(sqlite_store)
    ids = decimals(20)
    await on.submit(*ids, peer=OTHER)
    await on.deliver(*hexed(ids))
    await on.sweep(GRACE_SECONDS)
    assert on.form == "hex-to-decimal"
    await on.submit("4096", peer=OTHER)
    await on.deliver("1000")
    await on.deliver("2000")
    await on.submit("8192", peer=OTHER)
    assert await on.states(*ids[:1], "4096", "8192") == ["delivered"] * 3


async def test_the_operator_declares_the_form_and_what_waits_is_matched(store: Store) -> None:
    on = await house(store)
    await on.submit("100", "256")
    await on.deliver("100")
    await on.sweep(GRACE_SECONDS)
    on.on.carrier = Carrier(receipt_id="hex-to-decimal")
    declared = await again(on.on)
    declared.messages = on.messages
    await declared.sweep()
    assert await declared.states("100", "256") == ["submitted", "delivered"]
    assert await declared.parked() == 0


async def test_the_operator_corrects_the_form_and_what_waits_is_matched(store: Store) -> None:
    on = await house(store, "same")
    ids = decimals(600)
    await on.submit(*ids)
    await on.deliver(*hexed(ids))
    assert await on.early() == 600
    on.on.carrier = Carrier(receipt_id="hex-to-decimal")
    corrected = await again(on.on)
    corrected.messages = on.messages
    await corrected.sweep()
    assert set(await corrected.states(*ids)) == {"delivered"}
    assert await corrected.early() == 0
    (status,) = await corrected.inlet.forms.status()
    assert (status.setting, status.form, status.unmatched) == ("hex-to-decimal", "hex-to-decimal", 0)


async def test_back_to_auto_the_form_is_learned_anew(sqlite_store: Store) -> None:
    on = await learned(sqlite_store)
    for setting in ("same", "auto"):
        on.on.carrier = Carrier(receipt_id=setting)
        on = await again(on.on)
    assert on.form is None


async def test_each_link_may_have_its_own_form(sqlite_store: Store) -> None:
    links = {
        "one": SmppLink(host="h", system_id="s"),
        "two": SmppLink(host="h", system_id="s", receipt_id="auto"),
        "three": SmppLink(host="h", system_id="s", receipt_id="hex-to-decimal"),
    }
    on = await house(sqlite_store, "same", smpp=links)
    await on.submit("100", "200", "256")
    await on.deliver("100", link="three")
    await on.deliver("200", link="two")
    await on.deliver("200", link="one")
    assert await on.states("100", "200", "256") == ["submitted", "delivered", "delivered"]
    assert await on.parked() == 1
    shown = [(status.link, status.setting, status.form) for status in await on.inlet.forms.status()]
    assert shown == [("", "same", "same"), ("two", "auto", None), ("three",) + ("hex-to-decimal",) * 2]


async def test_receipts_of_a_link_without_its_setting_any_more_go_with_the_carriers(
    sqlite_store: Store,
) -> None:
    on = await house(sqlite_store, smpp={"one": SmppLink(host="h", system_id="s", receipt_id="auto")})
    await on.submit("100", "256")
    await on.deliver("100")
    on.on.carrier = Carrier(receipt_id="hex-to-decimal", smpp={"one": SmppLink(host="h", system_id="s")})
    later = await again(on.on)
    later.messages = on.messages
    await later.sweep()
    assert await later.states("100", "256") == ["submitted", "delivered"]


async def test_what_cannot_be_learned_is_said_and_goes_in_the_end(sqlite_store: Store) -> None:
    on = await house(sqlite_store)
    await on.deliver(*decimals(50))
    with capture_logs() as logs:
        await on.sweep()
        await on.sweep()
    assert [entry["parked"] for entry in logs if entry["event"] == "receipt.form_undecided"] == [50]
    await purge(sqlite_store, on.on.clock.now() + EARLY_FOR - SECOND, RetentionSettings())
    assert await on.parked() == 50
    await purge(sqlite_store, on.on.clock.now() + EARLY_FOR, RetentionSettings())
    assert await on.parked() == 0


async def test_a_thousand_parked_receipts_are_matched_once_the_form_is_known(sqlite_store: Store) -> None:
    on = await house(sqlite_store)
    ids = decimals(1200)
    await on.submit(*ids)
    await on.deliver(*hexed(ids))
    await on.sweep(GRACE_SECONDS)
    assert set(await on.states(ids[0], ids[599], ids[1199])) == {"delivered"}
    assert (await on.parked(), await on.early()) == (0, 0)


async def test_an_intermediate_notification_is_matched_and_ends_nothing(sqlite_store: Store) -> None:
    on = await learned(sqlite_store)
    await on.submit("4096")
    await on.deliver("1000", state="ENROUTE")
    assert await on.states("4096") == ["submitted"]
    assert (await on.on.kinds(on.messages["4096"]))[-1] == "receipt.pending"
