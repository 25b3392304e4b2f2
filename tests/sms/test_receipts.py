"""Receipts in the forms that carriers send."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sms.receipts import IdForm, Receipt, is_receipt, match_id, read_receipt, verdict
from sms.smpp.pdu import DeliverSm
from tests.support.sms import receipt

pytestmark = pytest.mark.unit

ID, STATE = 0x001E, 0x0427


def _read(
    text: bytes = b"", *tlvs: tuple[int, bytes], form: IdForm = "same", esm_class: int = 4
) -> Receipt | None:
    return read_receipt(DeliverSm(esm_class=esm_class, short_message=text, tlvs=tlvs), text, form)


def test_a_receipt_is_read_from_its_text() -> None:
    pdu = receipt("0A1B", "UNDELIV", "045")
    assert read_receipt(pdu, pdu.short_message) == Receipt("a1b", "failed", "UNDELIV", "045")


def test_a_receipt_is_read_from_its_optional_parameters() -> None:
    assert _read(b"", (ID, b"7F\0"), (STATE, b"\x02")) == Receipt("7f", "delivered", "DELIVRD", "")


def test_optional_parameters_win_over_the_text() -> None:
    text = b"id:1 stat:UNDELIV err:003"
    assert _read(text, (ID, b"2\0"), (STATE, b"\x02")) == Receipt("2", "delivered", "DELIVRD", "003")


def test_the_text_fills_in_what_optional_parameters_leave_out() -> None:
    assert _read(b"id:1 stat:DELIVRD err:0", (STATE, b"")) == Receipt("1", "delivered", "DELIVRD", "0")
    assert _read(b"id:1 stat:EXPIRED", (STATE, b"\x63")) == Receipt("1", "expired", "EXPIRED", "")


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("DELIVRD", "delivered"),
        ("delivrd", "delivered"),
        ("DELIVERED", "delivered"),
        ("EXPIRED", "expired"),
        ("DELETED", "failed"),
        ("UNDELIV", "failed"),
        ("UNDELIVERABLE", "failed"),
        ("REJECTD", "failed"),
        ("REJECTED", "failed"),
        ("UNKNOWN", "failed"),
        ("ACCEPTD", "pending"),
        ("ENROUTE", "pending"),
    ],
)
def test_every_word_of_appendix_b_has_its_meaning(word: str, state: str) -> None:
    found = _read(f"id:1 stat:{word} err:000".encode())
    assert found is not None
    assert found.state == state


@pytest.mark.parametrize(
    "text",
    [b"", b"Hello", b"id:1", b"stat:DELIVRD", b"id: stat:DELIVRD", b"id:1 stat:NONSENSE", b"id:1 stat:OK"],
)
def test_what_names_no_message_or_no_state_is_no_receipt(text: bytes) -> None:
    assert _read(text) is None


def test_an_intermediate_notification_ends_nothing() -> None:
    found = _read(b"id:1 stat:UNDELIV err:001", esm_class=0x20)
    assert found is not None
    assert found.state == "pending"


@pytest.mark.parametrize(
    ("esm_class", "expected"), [(0, False), (4, True), (0x44, True), (0x20, True), (8, False)]
)
def test_the_type_of_a_message_says_whether_it_is_a_receipt(esm_class: int, expected: bool) -> None:
    assert is_receipt(DeliverSm(esm_class=esm_class)) is expected


def test_what_names_a_message_of_ours_is_a_receipt_whatever_its_type() -> None:
    assert is_receipt(DeliverSm(tlvs=((ID, b"1\0"),)))


@given(
    st.binary(max_size=200),
    st.lists(st.tuples(st.sampled_from([ID, STATE]), st.binary(max_size=80)), max_size=3),
)
def test_any_octets_are_a_receipt_or_none(text: bytes, tlvs: list[tuple[int, bytes]]) -> None:
    for form in ("same", "hex-to-decimal", "decimal-to-hex"):
        found = _read(text, *tlvs, form=form)
        if found is not None:
            assert 0 < len(found.remote_id) <= 64
            assert "\0" not in found.remote_id
            assert len(found.words) <= 24


@given(st.integers(min_value=0, max_value=2**64 - 1), st.booleans(), st.integers(0, 8))
def test_a_receipts_id_in_the_other_base_matches(number: int, upper: bool, zeros: int) -> None:
    as_hex = "0" * zeros + (f"{number:X}" if upper else f"{number:x}")
    as_decimal = "0" * zeros + str(number)
    assert match_id(as_hex, "hex-to-decimal") == match_id(str(number))
    assert match_id(as_decimal, "decimal-to-hex") == match_id(f"{number:X}")
    assert match_id(as_hex) == match_id(f"{number:x}")


@given(st.text(st.characters(max_codepoint=255), max_size=100))
def test_an_id_is_compared_the_same_however_often(text: str) -> None:
    once = match_id(text)
    assert match_id(once) == once


@pytest.mark.parametrize("text", ["1_0", "0x1a", "+1a", "-1", "1 0", "not-hex", "٣"])
def test_an_id_without_the_form_stays_as_it_is(text: str) -> None:
    assert match_id(text, "hex-to-decimal") == text.lstrip("0")


def test_no_id_never_equals_the_id_zero() -> None:
    assert match_id("") == ""
    assert match_id("000") == "0"


@pytest.mark.parametrize(
    ("states", "segments", "expected"),
    [
        ([], 1, None),
        (["submitted"], 1, None),
        (["delivered"], 1, "delivered"),
        (["delivered", "submitted"], 2, None),
        (["delivered", "delivered"], 3, None),
        (["delivered", "delivered"], 2, "delivered"),
        (["failed", "submitted"], 2, "failed"),
        (["expired", "delivered"], 2, "expired"),
        (["expired", "failed"], 2, "failed"),
    ],
)
def test_the_parts_decide_about_the_message(states: list[str], segments: int, expected: str | None) -> None:
    assert verdict(states, segments) == expected
