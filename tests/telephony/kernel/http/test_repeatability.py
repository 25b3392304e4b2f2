"""Repeatable requests: the same id twice has one effect."""

import asyncio
from dataclasses import dataclass

import pytest
from sqlalchemy import Connection, func, insert, select

from telephony.kernel.clock import DAY, HOUR, SECOND
from telephony.kernel.errors import InvalidRequest
from telephony.kernel.http.dates import format_http_date
from telephony.kernel.http.repeatability import (
    FUTURE,
    KEPT,
    WINDOW,
    Call,
    Claim,
    First,
    Pair,
    Refused,
    Repeated,
    claim_many,
    claim_one,
    fingerprint,
    forget_expired,
    pair_from_headers,
    pair_of,
    store_answer,
)
from telephony.kernel.ids import ResourceId, new_id
from telephony.kernel.store import Store
from telephony.kernel.store.schema import bodies, repeatability
from tests.support.clock import START
from tests.support.stores import started

pytestmark = [pytest.mark.wire, pytest.mark.promise("R23")]

ONE, OTHER = ResourceId(b"1" * 16), ResourceId(b"2" * 16)
GUID = "5b0d1c52-8a4e-4a1e-9d0e-3f0a5c6b7d8e"
GUIDS = [f"5b0d1c52-8a4e-4a1e-9d0e-{number:012x}" for number in range(2000)]


def call(
    what: str = "hello",
    *,
    guid: str = GUID,
    resource: ResourceId = ONE,
    operation: str = "sms.send",
    sent: int = START,
) -> Call:
    return Call(resource, Pair(guid, sent), operation, fingerprint(what), what.encode())


@dataclass(frozen=True)
class Act:
    """Something that must happen once."""

    call: Call
    now: int = START
    fails: bool = False

    def __call__(self, tx: Connection) -> Claim:
        claim = claim_one(tx, self.call, now=self.now)
        if isinstance(claim, First):
            row = {"resource": ONE, "interaction": new_id(START), "body": b"x", "expires": 0}
            tx.execute(insert(bodies).values(**row))
            if self.fails:
                raise InvalidRequest("it failed after all")
        return claim


async def acts(store: Store) -> int:
    return await store.read(lambda tx: tx.scalar(select(func.count()).select_from(bodies)) or 0)


async def test_the_same_request_twice_acts_once_and_answers_the_same(store: Store) -> None:
    assert await store.write(Act(call())) == First()
    assert await store.write(Act(call())) == Repeated(b"hello")
    assert await acts(store) == 1


async def test_two_simultaneous_requests_act_once(store: Store) -> None:
    claims = await asyncio.gather(*(store.write(Act(call())) for _ in range(20)))
    assert sum(isinstance(claim, First) for claim in claims) == 1
    assert all(claim in (First(), Repeated(b"hello")) for claim in claims)
    assert await acts(store) == 1


async def test_two_gateways_at_the_same_moment_act_once(postgresql_url: str) -> None:
    with started(postgresql_url) as one, started(postgresql_url) as other:
        racing = [store.write(Act(call(guid=guid))) for guid in GUIDS[:50] for store in (one, other)]
        claims = await asyncio.gather(*racing)
        assert sum(isinstance(claim, First) for claim in claims) == 50
        assert sum(claim == Repeated(b"hello") for claim in claims) == 50


async def test_two_gateways_that_claim_the_same_ids_in_another_order_do_not_block(
    postgresql_url: str,
) -> None:
    there = [call(guid=guid) for guid in GUIDS[:200]]
    with started(postgresql_url) as one, started(postgresql_url) as other:
        first, second = await asyncio.gather(
            one.write(lambda tx: claim_many(tx, there, now=START)),
            other.write(lambda tx: claim_many(tx, there[::-1], now=START)),
        )
    kinds = {type(claim) for claim in first}, {type(claim) for claim in second}
    assert kinds in (({First}, {Repeated}), ({Repeated}, {First}))


async def test_another_request_under_the_same_id_is_refused(store: Store) -> None:
    await store.write(Act(call("hello")))
    for other in (call("bye"), call(operation="calls.create")):
        claim = await store.write(Act(other))
        assert isinstance(claim, Refused)
        assert (claim.error().status, claim.error().code) == (412, "PreconditionFailed")
    assert await acts(store) == 1


async def test_ids_are_a_resources_own(store: Store) -> None:
    await store.write(Act(call()))
    assert await store.write(Act(call("other", resource=OTHER))) == First()


async def test_an_act_that_failed_leaves_its_id_free(store: Store) -> None:
    with pytest.raises(InvalidRequest):
        await store.write(Act(call(), fails=True))
    assert await store.write(Act(call())) == First()
    assert await acts(store) == 1


async def test_an_answer_is_kept_a_day_and_then_the_id_is_free(store: Store) -> None:
    await store.write(Act(call()))
    assert await store.write(Act(call(sent=START + DAY), now=START + DAY)) == Repeated(b"hello")
    later = START + KEPT
    assert await store.write(Act(call(sent=later), now=later)) == First()
    assert await store.write(Act(call(sent=later), now=later)) == Repeated(b"hello")


async def test_a_request_too_old_to_know_is_refused(store: Store) -> None:
    assert isinstance(await store.write(Act(call(sent=START - WINDOW - 1))), Refused)
    assert await acts(store) == 0


async def test_many_are_claimed_in_order(store: Store) -> None:
    await store.write(lambda tx: claim_many(tx, [call(guid=GUIDS[1])], now=START))
    calls = [call(guid=guid) for guid in GUIDS[:3]]
    calls += [call(guid=GUIDS[0]), call("bye", guid=GUIDS[0]), call("bye", guid=GUIDS[1])]
    calls += [call(guid=GUIDS[4], sent=START - 2 * DAY)]
    claims = await store.write(lambda tx: claim_many(tx, calls, now=START))
    kinds = [type(claim) for claim in claims]
    assert kinds == [First, Repeated, First, Repeated, Refused, Refused, Refused]
    assert await store.write(lambda tx: claim_many(tx, [], now=START)) == []


async def test_thousands_are_claimed_in_one_transaction_and_again(store: Store) -> None:
    calls = [call(guid=guid) for guid in GUIDS]
    first = await store.write(lambda tx: claim_many(tx, calls, now=START))
    again = await store.write(lambda tx: claim_many(tx, calls, now=START))
    assert set(map(type, first)) == {First}
    assert set(again) == {Repeated(b"hello")}


async def test_an_answer_may_be_replaced_in_the_same_transaction(store: Store) -> None:
    def job(tx: Connection) -> None:
        claim_one(tx, call(), now=START)
        store_answer(tx, ONE, call().pair, b"better")

    await store.write(job)
    assert await store.write(Act(call())) == Repeated(b"better")


async def test_expired_answers_are_forgotten_in_slices(store: Store) -> None:
    await store.write(lambda tx: claim_many(tx, [call(guid=guid) for guid in GUIDS[:30]], now=START))
    await store.write(lambda tx: claim_one(tx, call(sent=START + HOUR), now=START + HOUR))
    gone = [await store.write(lambda tx: forget_expired(tx, now=START + KEPT, at_most=20)) for _ in range(3)]
    assert gone == [20, 10, 0]
    assert await store.read(lambda tx: tx.scalar(select(func.count()).select_from(repeatability))) == 1


def test_both_headers_or_neither() -> None:
    assert pair_from_headers({}, now=START) is None
    for request_id, sent in ((GUID, None), (None, format_http_date(START))):
        with pytest.raises(InvalidRequest):
            pair_of(request_id, sent, now=START)


def test_a_pair_is_normalised() -> None:
    assert pair_of(GUID.upper(), format_http_date(START), now=START) == Pair(GUID, START)
    assert pair_of(GUID, "2026-01-01T00:00:00.000000+00:00", now=START) == Pair(GUID, START)


@pytest.mark.parametrize(
    ("request_id", "sent", "target"),
    [
        ("no-guid", format_http_date(START), "smsRecipients[0].repeatabilityRequestId"),
        ("{" + GUID + "}", format_http_date(START), "smsRecipients[0].repeatabilityRequestId"),
        (GUID, "yesterday", "smsRecipients[0].repeatabilityFirstSent"),
        (GUID, format_http_date(START + FUTURE + SECOND), "smsRecipients[0].repeatabilityFirstSent"),
        (GUID, None, "smsRecipients[0].repeatabilityFirstSent"),
    ],
)
def test_a_malformed_pair_is_named_at_its_place(request_id: str, sent: str | None, target: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        pair_of(
            request_id,
            sent,
            now=START,
            id_target="smsRecipients[0].repeatabilityRequestId",
            sent_target="smsRecipients[0].repeatabilityFirstSent",
        )
    assert refused.value.target == target


def test_a_fingerprint_keeps_the_borders_of_its_parts() -> None:
    assert fingerprint("ab", "c") != fingerprint("a", "bc")
    assert fingerprint("ab", b"c") == fingerprint(b"ab", "c")
