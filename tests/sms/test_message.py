"""Ids of messages as ACS spells them, and what a message on its way is."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sms.message import Outbound, from_wire_id, wire_id
from telephony.kernel import ids
from telephony.kernel.ids import InteractionId, ResourceId
from tests.support.clock import START

pytestmark = pytest.mark.unit


def _outbound(identifier: bytes) -> Outbound:
    return Outbound(
        ResourceId(bytes(16)), InteractionId(identifier), "+14255550199", "+12065550100", "Hi", 0, 0
    )


@given(st.integers(min_value=0, max_value=START * 2), st.sampled_from(["outbound", "inbound"]))
def test_an_id_comes_back_as_it_was(at: int, direction: str) -> None:
    identifier = ids.new_id(at)
    spelled = wire_id(identifier, direction)
    assert re.fullmatch(r"(Outgoing|Incoming)_[0-9]{14}[0-9a-f-]{36}", spelled)
    assert from_wire_id(spelled) == identifier
    assert from_wire_id(ids.to_text(identifier)) == identifier


def test_an_id_tells_direction_and_second() -> None:
    high = (START // 1000) << 16 | 0x7000
    identifier = high.to_bytes(8, "big") + b"\x80" + bytes(7)
    assert wire_id(identifier, "outbound") == f"Outgoing_20260101000000{ids.to_text(identifier)}"
    assert wire_id(identifier, "inbound").startswith("Incoming_20260101000000")


@given(st.text(max_size=80))
def test_any_text_is_an_id_or_none(text: str) -> None:
    assert from_wire_id(text) is None or len(text) in (36, 59)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Outgoing_",
        "Outgoing_20260101000000",
        "Outgoing_x019b76da-a800-7000-8000-000000000000",
        "Sideways_20260101000000019b76da-a800-7000-8000-000000000000",
        "Outgoing_20260101000000019b76da-a800-7000-8000-000000000000 ",
        "Outgoing_20260101000000019b76daa8007000800000000000000000----",
    ],
)
def test_what_is_no_id_is_none(text: str) -> None:
    assert from_wire_id(text) is None


def test_texts_sent_together_have_different_references() -> None:
    references = [_outbound(ids.new_id(START)).reference() for _ in range(256)]
    assert len(set(references)) == 256


def test_a_message_is_untouched_until_the_carrier_may_have_a_part() -> None:
    message = _outbound(bytes(16))
    assert message.untouched
    message.on_wire += 1
    assert not message.untouched
    message.on_wire -= 1
    message.doubt = True
    assert not message.untouched
