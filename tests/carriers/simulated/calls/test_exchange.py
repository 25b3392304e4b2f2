"""Two simulated exchanges call each other: what every test number does."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from carriers.simulated.calls.exchange import PRIVATE, Call, Exchange
from carriers.simulated.calls.keypad import ACTS

pytestmark = pytest.mark.wire

SECONDS = 6.0


@pytest.fixture
async def called() -> AsyncIterator[Exchange]:
    exchange = Exchange()
    await exchange.start()
    yield exchange
    await exchange.stop()


@pytest.fixture
async def caller() -> AsyncIterator[Exchange]:
    exchange = Exchange()
    await exchange.start()
    yield exchange
    await exchange.stop()


async def placed(caller: Exchange, called: Exchange, number: str, **options: object) -> Call:
    work = caller.call(number, ("127.0.0.1", called.port), **options)  # type: ignore[arg-type]
    return await asyncio.wait_for(work, SECONDS)


async def heard(call: Call, frames: int = 30) -> None:
    """Wait until so much was heard anew."""
    call.rtp.heard.clear()
    async with asyncio.timeout(SECONDS):
        while len(call.rtp.heard) < frames:
            await asyncio.sleep(0.01)


async def test_a_number_answers_and_plays_its_tone(caller: Exchange, called: Exchange) -> None:
    call = await placed(caller, called, "+12065550120")
    assert (call.state, call.status) == ("up", 200)
    await heard(call)
    hertz, dbm0 = call.hears()
    assert hertz == 425.0
    assert abs(dbm0 + 10.0) < 0.5
    await caller.hang_up(call)
    assert called.calls == {}
    assert called.over[-1].status == 200


async def test_a_number_sends_back_what_it_hears(caller: Exchange, called: Exchange) -> None:
    call = await placed(caller, called, "+12065550121", hertz=1000.0)
    await heard(call)
    assert call.hears()[0] == 1000.0


@pytest.mark.parametrize(
    ("number", "status", "q850"),
    [
        ("+12065550123", 486, 17),
        ("+12065550124", 603, 21),
        ("+12065550125", 404, 1),
        ("+12065550126", 503, 34),
        ("+12065550131", 408, 0),
        ("+12065550138", 302, 0),
        ("+12065550139", 480, 20),
    ],
)
async def test_a_number_refuses(
    caller: Exchange, called: Exchange, number: str, status: int, q850: int
) -> None:
    call = await placed(caller, called, number)
    assert (call.state, call.status) == ("over", status)
    assert ACTS[number[1:]].q850 == q850


async def test_a_number_that_rings_for_ever_is_given_up(caller: Exchange, called: Exchange) -> None:
    placing = asyncio.create_task(placed(caller, called, "+12065550122"))
    async with asyncio.timeout(SECONDS):
        while not (ringing := list(caller.calls.values())) or ringing[0].state != "ringing":
            await asyncio.sleep(0.01)
    await caller.give_up(ringing[0])
    call = await placing
    assert (call.state, call.status) == ("over", 487)
    assert call.provisional == [100, 180]


async def test_a_number_hangs_up_by_itself(caller: Exchange, called: Exchange) -> None:
    call = await placed(caller, called, "+12065550127")
    await asyncio.wait_for(call.until("over"), SECONDS)
    assert call.status == 200


async def test_a_number_presses_its_digits(caller: Exchange, called: Exchange) -> None:
    call = await placed(caller, called, "+12065550128")
    async with asyncio.timeout(SECONDS):
        while call.rtp.digits != "123#":
            await asyncio.sleep(0.01)


async def test_digits_and_info_are_heard_at_the_other_end(caller: Exchange, called: Exchange) -> None:
    call = await placed(caller, called, "+12065550120")
    (other,) = called.calls.values()
    call.rtp.press("42*")
    assert (await caller.info(call, "7")) is not None
    async with asyncio.timeout(SECONDS):
        while other.rtp.digits != "42*":
            await asyncio.sleep(0.01)
    assert other.infos == "7"


async def test_sound_begins_before_the_answer(caller: Exchange, called: Exchange) -> None:
    call = await placed(caller, called, "+12065550129")
    assert call.provisional == [100, 183]
    assert call.rtp.received > 20


async def test_a_lost_200_is_repeated(caller: Exchange, called: Exchange) -> None:
    assert (await placed(caller, called, "+12065550133")).state == "up"


async def test_a_private_address_is_told(caller: Exchange, called: Exchange) -> None:
    call = await placed(caller, called, "+12065550134")
    assert call.offered is not None
    assert call.offered.connection == PRIVATE


async def test_a_number_holds_and_goes_on(caller: Exchange, called: Exchange) -> None:
    call = await placed(caller, called, "+12065550135")
    async with asyncio.timeout(SECONDS):
        for held in (True, False):
            while call.rtp.held is not held:
                await asyncio.sleep(0.01)
    assert call.state == "up"


async def test_a_late_offer_is_answered_in_the_ack(caller: Exchange, called: Exchange) -> None:
    call = await placed(caller, called, "+12065550120", offer=False)
    await heard(call)
    assert call.hears()[0] == 425.0


async def test_only_who_knows_the_password_may_call(caller: Exchange) -> None:
    called = Exchange(passwords={"desk": "word"})
    await called.start()
    try:
        good = await placed(caller, called, "+12065550120", username="desk", password="word")
        bad = await placed(caller, called, "+12065550120", username="desk", password="guess")
        none = await placed(caller, called, "+12065550120")
        assert [good.status, bad.status, none.status] == [200, 401, 401]
    finally:
        await called.stop()
