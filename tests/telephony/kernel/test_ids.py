"""Identifiers: the layout of RFC 9562 §5.7, their order, and their one spelling."""

import threading
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.kernel.ids import from_text, new_id, new_ids, time_of, to_text

pytestmark = pytest.mark.unit

times = st.integers(0, 4_000_000_000_000_000)
NOW = 1_767_225_600_123_456


@given(st.lists(times, min_size=2, max_size=50))
def test_ids_of_one_process_never_go_backwards_whatever_the_clock_does(clock: list[int]) -> None:
    made = [new_id(at) for at in clock]
    assert made == sorted(made)
    assert len(set(made)) == len(made)


@given(times)
def test_an_id_is_a_uuid_of_version_7(at: int) -> None:
    parsed = uuid.UUID(bytes=new_id(at))
    assert parsed.version == 7
    assert parsed.variant == uuid.RFC_4122


def test_an_id_carries_its_time() -> None:
    later = time_of(new_id(0)) + 3_600_000_000  # ahead of every id made before in this process
    assert time_of(new_id(later)) == later // 1000 * 1000


def test_ids_of_one_microsecond_differ_and_keep_their_order() -> None:
    made = [new_id(NOW) for _ in range(10_000)]
    assert made == sorted(set(made))


def test_ids_made_together_are_ids_as_any() -> None:
    before = new_id(1_767_225_600_000_000)
    made = new_ids(1_767_225_600_000_000, 5000)
    after = new_id(1_767_225_600_000_000)
    assert [before, *made, after] == sorted({before, *made, after})
    assert {uuid.UUID(bytes=each).version for each in made} == {7}
    assert {uuid.UUID(bytes=each).variant for each in made} == {uuid.RFC_4122}
    assert len({each[8:] for each in made}) == 5000
    assert new_ids(0, 0) == []


def test_threads_never_get_the_same_id() -> None:
    made: list[list[bytes]] = [[] for _ in range(4)]

    def make(mine: list[bytes]) -> None:
        mine.extend(new_id(NOW) for _ in range(2000))

    threads = [threading.Thread(target=make, args=(mine,)) for mine in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({identifier for mine in made for identifier in mine}) == 8000
    assert all(mine == sorted(mine) for mine in made)


@given(st.binary(min_size=16, max_size=16))
def test_a_spelling_comes_back_as_the_same_bytes(identifier: bytes) -> None:
    text = to_text(identifier)
    assert text == str(uuid.UUID(bytes=identifier))
    assert from_text(text) == identifier
    assert from_text(text.upper()) == identifier


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0123",
        "01234567-89ab-cdef-0123-456789abcde",
        "01234567-89ab-cdef-0123-456789abcdeg",
        "0123456789abcdef0123456789abcdef",
        "{1234567-89ab-cdef-0123-456789abcde}",
        "urn:uuid:01234567-89ab-cdef-0123-4567",
        "012345678-9ab-cdef-0123-456789abcdef",
        "01234567_89ab_cdef_0123_456789abcdef",
        "０1234567-89ab-cdef-0123-456789abcdef",
    ],
)
def test_other_spellings_are_no_guid(text: str) -> None:
    assert from_text(text) is None


@given(st.text(max_size=40))
def test_any_text_is_an_id_or_none(text: str) -> None:
    found = from_text(text)
    assert found is None or to_text(found) == text.lower()
