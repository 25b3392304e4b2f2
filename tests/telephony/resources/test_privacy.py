"""A person is forgotten: found in whatever mentions the number, slice by slice, and nobody else."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select

from telephony.events.erase import WEBHOOKS
from telephony.events.store import deliveries
from telephony.kernel.e164 import E164
from telephony.kernel.ids import ResourceId, new_id
from telephony.kernel.store import Store
from telephony.kernel.store.schema import repeatability
from telephony.resources import privacy
from telephony.resources.privacy import FIRST_ANSWERS, PrivacyVerbs, Subject
from tests.support.clock import START, ManualClock

pytestmark = pytest.mark.wire

ONE, OTHER = ResourceId(b"resource-one----"), ResourceId(b"resource-two----")
PERSON, SOMEBODY = E164("+12065550123"), E164("+12065550199")
SUBJECT = Subject(ONE, PERSON)


@pytest.mark.parametrize(
    "text",
    ["+12065550123", "12065550123", '{"to":"+12065550123"}', "/phonenumber/12065550123", "a12065550123b"],
)
def test_a_number_is_found_with_and_without_its_plus(text: str) -> None:
    assert SUBJECT.mentioned(text)
    assert SUBJECT.mentioned(text.encode())
    without = SUBJECT.without(text)
    assert "2065550123" not in without
    assert SUBJECT.without(text.encode()) == str(without).encode()


@pytest.mark.parametrize(
    "text", ["", "+912065550123", "120655501234", "2065550123", "+12065550124", "１2065550123"]
)
def test_a_longer_or_another_number_is_not_taken_for_it(text: str) -> None:
    assert not SUBJECT.mentioned(text)
    assert not SUBJECT.mentioned(text.encode())
    assert SUBJECT.without(text) == text


@given(st.text(), st.text())
def test_whatever_stands_around_it_only_the_number_goes(before: str, after: str) -> None:
    text = f"{before}|{PERSON}|{after}"
    assert f"|{privacy.ERASED}|" in str(SUBJECT.without(text))


def test_a_subject_shows_no_number() -> None:
    assert "2065550123" not in repr(SUBJECT)


@pytest.fixture
def small_slices(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setattr(privacy, "SLICE", 3)
        yield


def delivery(resource: ResourceId, payload: bytes) -> dict[str, object]:
    return {
        "resource": resource,
        "id": new_id(START),
        "subscription": new_id(START),
        "event_id": "event",
        "event_type": "type",
        "data_version": "1.0",
        "payload": payload,
        "state": "dead",
        "version": 0,
        "attempts": 0,
        "due": START,
        "expires": START,
        "created": START,
    }


async def test_deliveries_that_mention_the_person_go_and_all_others_stay(
    store: Store, small_slices: None
) -> None:
    about, other = b'[{"data":{"to":"+12065550123"}}]', b'[{"data":{"to":"+12065550199"}}]'
    rows = [delivery(ONE, about if place % 2 else other) for place in range(14)] + [delivery(OTHER, about)]
    await store.write(lambda tx: tx.execute(insert(deliveries), rows))
    verbs = PrivacyVerbs(store, ManualClock(), (WEBHOOKS,))
    assert (await verbs.erase(ONE, PERSON)).erased == {"webhooks": 7}
    left = await store.read(lambda tx: [bytes(each) for each in tx.scalars(select(deliveries.c.payload))])
    assert (left.count(other), left.count(about), len(left)) == (7, 1, 8)
    assert (await verbs.erase(ONE, PERSON)).erased == {"webhooks": 0}


async def test_first_answers_stay_without_the_number(store: Store, small_slices: None) -> None:
    rows = [
        {
            "resource": resource,
            "request_id": str(place),
            "operation": "sms.send",
            "first_sent": START,
            "fingerprint": bytes(32),
            "response": f'{{"to":"{number}"}}'.encode(),
            "expires": START,
        }
        for resource in (ONE, OTHER)
        for place, number in enumerate((PERSON, SOMEBODY) * 4)
    ]
    await store.write(lambda tx: tx.execute(insert(repeatability), rows))
    report = await PrivacyVerbs(store, ManualClock(), (FIRST_ANSWERS,)).erase(ONE, PERSON)
    assert report.erased == {"firstAnswers": 4}
    answers = select(repeatability.c.resource, repeatability.c.response).order_by(repeatability.c.request_id)
    left = await store.read(
        lambda tx: [bytes(row.response) for row in tx.execute(answers) if bytes(row.resource) == ONE]
    )
    assert left == [b'{"to":"erased"}', b'{"to":"+12065550199"}'] * 4
