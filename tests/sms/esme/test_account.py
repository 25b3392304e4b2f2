"""Accounts as data."""

from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sms.esme.account import (
    AccountSettings,
    IdForm,
    check_password,
    esme_account,
    new_password,
    read_id,
    spell_id,
)
from sms.esme.admin import NewAccount
from sms.smpp.states import BindType
from telephony.kernel.errors import InvalidRequest
from telephony.kernel.ids import ResourceId
from telephony.kernel.secret import Secret

pytestmark = pytest.mark.unit


def test_an_account_lets_nobody_in_until_it_lists_addresses() -> None:
    gate = esme_account(ResourceId(bytes(16)), "a", Secret("x"), AccountSettings(), 1).gate
    assert "127.0.0.1" not in gate.addresses
    assert gate.binds == frozenset(BindType)


@pytest.mark.parametrize(
    ("settings", "target"),
    [
        ({"addresses": ("10.0.0.1/8",)}, "addresses"),
        ({"addresses": ("example.org",)}, "addresses"),
        ({"kind": "carrier"}, "carrier"),
        ({"carrier": "c"}, "carrier"),
        ({"kind": "carrier", "carrier": "c", "inbound": True}, "carrier"),
        ({"receipt_text": False, "receipt_tlvs": False}, "receiptText"),
    ],
)
def test_what_does_not_fit_together_is_refused(settings: dict[str, Any], target: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        AccountSettings(**settings).check()
    assert caught.value.target in {target, "inbound"}


@pytest.mark.parametrize(
    "body",
    [
        b'{"systemId":""}',
        b'{"systemId":"sixteencharacter"}',
        b'{"systemId":"a b"}',
        b'{"systemId":"a","window":0}',
        b'{"systemId":"a","perSecond":0}',
        b'{"systemId":"a","binds":[]}',
        b'{"systemId":"a","colour":"red"}',
    ],
)
def test_a_body_out_of_bounds_is_refused(body: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(body, type=NewAccount)


def test_passwords_are_what_smpp_can_carry() -> None:
    assert len({new_password() for _ in range(50)}) == 50
    assert all(len(new_password().reveal()) == 8 for _ in range(50))
    assert check_password("8 octets").reveal() == "8 octets"
    for wrong in ("", "ninechars", "naïve", "a\nb"):
        with pytest.raises(InvalidRequest):
            check_password(wrong)


def test_every_spelling_of_an_id_is_unique_and_short() -> None:
    identifier = bytes([0, 1]) + bytes([255]) * 14
    assert spell_id(identifier, "hex") == "0001" + "ff" * 14
    assert int(spell_id(identifier, "decimal")) == int.from_bytes(identifier, "big")
    assert spell_id(identifier, "guid") == "0001ffff-ffff-ffff-ffff-ffffffffffff"
    assert len(spell_id(bytes([255]) * 16, "decimal")) == 39


@settings(max_examples=50)
@given(st.binary(min_size=16, max_size=16), st.sampled_from(get_args(IdForm)))
def test_an_id_is_read_as_it_was_spelled(identifier: bytes, form: IdForm) -> None:
    assert read_id(spell_id(identifier, form), form) == identifier


@pytest.mark.parametrize("form", get_args(IdForm))
@pytest.mark.parametrize(
    "text", ["", "x", "-1", " 1", "9" * 40, "9" * 39, "f" * 33, "\N{ARABIC-INDIC DIGIT ONE}" * 32]
)
def test_what_is_no_id_is_read_as_none(text: str, form: IdForm) -> None:
    assert read_id(text, form) is None
