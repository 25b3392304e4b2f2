"""Rate sheets in the store: replaced as a whole, or not at all."""

import pytest

from telephony.kernel.clock import HOUR
from telephony.kernel.errors import Conflict, InvalidRequest, NotFound
from telephony.kernel.store import Store
from telephony.usage.book import Book
from telephony.usage.rating import Kind
from telephony.usage.settings import LimitSettings
from telephony.usage.sheets import (
    BUY,
    SELL,
    Activate,
    AddRates,
    BeginDraft,
    DeleteSheet,
    DropDraft,
    UseSheet,
    compiled,
    list_sheets,
    list_uses,
    read_chunks,
)
from tests.support.usage import plane, put, sms

pytestmark = pytest.mark.wire


async def test_a_draft_changes_nothing_until_it_is_in_force(store: Store) -> None:
    on = await plane(store)
    await on.rates(sms("1", 1))
    draft = await store.write(BeginDraft("sell", "USD", 1))
    await store.write(AddRates("sell", draft, 0, [sms("1", 9)], 1))
    await on.book.refresh()
    before = on.book.sheet("sell")
    assert before is not None
    assert [rate.price for rate in before.rates()] == [1]
    await store.write(Activate("sell", draft, 1, 2))
    await on.book.refresh()
    after = on.book.sheet("sell")
    assert after is not None
    assert ([rate.price for rate in after.rates()], after.version) == ([9], 2)
    assert await store.read(lambda tx: read_chunks(tx, "sell", 1)) == []


async def test_the_same_lines_twice_are_there_once(store: Store) -> None:
    draft = await store.write(BeginDraft("s", "USD", 1))
    for _ in range(2):
        await store.write(AddRates("s", draft, 2, [sms("1", 1)], 1))
    chunks = await store.read(lambda tx: read_chunks(tx, "s", draft))
    assert len(compiled("s", 1, "USD", chunks)) == len(chunks) == 1


async def test_an_older_draft_does_not_undo_a_later_one(store: Store) -> None:
    first = await store.write(BeginDraft("s", "USD", 1))
    second = await store.write(BeginDraft("s", "USD", 1))
    for draft in (first, second):
        await store.write(AddRates("s", draft, 0, [sms("1", draft)], 1))
    await store.write(Activate("s", second, 1, 1))
    with pytest.raises(Conflict):
        await store.write(Activate("s", first, 1, 1))
    with pytest.raises(NotFound):
        await store.write(AddRates("s", second, 1, [sms("2", 1)], 1))


async def test_drafts_that_were_left_behind_are_cleared_away(store: Store) -> None:
    old = await store.write(BeginDraft("s", "USD", 1))
    await store.write(AddRates("s", old, 0, [sms("1", 1)], 1))
    await store.write(BeginDraft("s", "USD", 7 * HOUR))
    assert await store.read(lambda tx: read_chunks(tx, "s", old)) == []


async def test_a_sheet_that_never_was_in_force_goes_with_its_draft(store: Store) -> None:
    draft = await store.write(BeginDraft("s", "USD", 1))
    await store.write(DropDraft("s", draft))
    assert await store.write(BeginDraft("s", "EUR", 1)) == 1
    with pytest.raises(NotFound):
        await store.write(AddRates("other", 1, 0, [sms("1", 1)], 1))


async def test_a_sheet_keeps_its_currency(store: Store) -> None:
    await put(store, "s", [sms("1", 1)])
    with pytest.raises(InvalidRequest, match="is in USD"):
        await store.write(BeginDraft("s", "EUR", 1))


async def test_a_sheet_in_use_is_not_deleted(store: Store) -> None:
    await put(store, "s", [sms("1", 1)])
    await store.write(UseSheet(SELL, "*", "s"))
    with pytest.raises(Conflict, match="in use"):
        await store.write(DeleteSheet("s"))
    await store.write(UseSheet(SELL, "*", None))
    await store.write(DeleteSheet("s"))
    assert await store.read(lambda tx: (list_sheets(tx), list_uses(tx))) == ([], [])


async def test_a_sheet_that_was_made_anew_is_read_anew(store: Store) -> None:
    on = await plane(store)
    await put(store, "s", [sms("1", 1)], now=1)
    await on.book.refresh()
    await store.write(DeleteSheet("s"))
    await put(store, "s", [sms("1", 2)], now=2)
    await on.book.refresh()
    found = on.book.sheet("s")
    assert found is not None
    rate = found.find(Kind.SMS, "+12065550100", 0)
    assert rate is not None
    assert rate.price == 2


async def test_nobody_is_charged_by_a_sheet_that_there_is_not(store: Store) -> None:
    with pytest.raises(NotFound):
        await store.write(UseSheet(SELL, "*", "nothing"))
    await store.write(BeginDraft("draft", "USD", 1))
    with pytest.raises(NotFound):
        await store.write(UseSheet(SELL, "*", "draft"))


async def test_a_carrier_is_charged_by_the_sheet_that_its_description_names(store: Store) -> None:
    declared = {"acme": "named", "beta": "not-there"}
    book = Book(store, LimitSettings(), lambda carrier: declared.get(carrier, ""))
    await put(store, "named", [sms("1", 5)])
    await put(store, "used", [sms("1", 7)])
    for carrier in ("acme", "beta", "gamma"):
        await store.write(UseSheet(BUY, carrier, "used"))
    await book.refresh()
    named = {carrier: sheet.name for carrier in ("acme", "beta", "gamma") if (sheet := book.buy(carrier))}
    assert named == {"acme": "named", "beta": "used", "gamma": "used"}
    assert book.buy("other") is None
