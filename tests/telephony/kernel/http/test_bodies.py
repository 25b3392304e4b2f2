"""Request bodies."""

import json
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.kernel.errors import CallerError, InvalidRequest, UnsupportedMedia
from telephony.kernel.http.bodies import BodyDecoder
from telephony.kernel.http.route import JSON, MERGE_PATCH

pytestmark = pytest.mark.unit


class Recipient(msgspec.Struct, frozen=True, rename="camel"):
    to: str
    repeatability_request_id: str | None = None


class Send(msgspec.Struct, frozen=True, rename="camel"):
    sender: Annotated[str, msgspec.Meta(max_length=5)] = msgspec.field(name="from")
    sms_recipients: list[Recipient]
    trunks: dict[str, Recipient] = {}


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    a: int = 1


DECODER = BodyDecoder(Send, (JSON,))
GOOD: dict[str, Any] = {"from": "+1", "smsRecipients": [{"to": "+2"}]}


def decode(document: object, content_type: str | None = JSON) -> Send:
    return DECODER.decode(content_type, None, json.dumps(document).encode())


def test_a_body_becomes_the_routes_struct() -> None:
    assert decode({**GOOD, "unknown": 1}) == Send("+1", [Recipient("+2")])


@pytest.mark.parametrize(
    ("document", "target"),
    [
        ({"from": "+1", "smsRecipients": [{"to": 5}]}, "smsRecipients[0].to"),
        ({"from": "+1", "smsRecipients": [{"to": "+2"}, {}]}, "smsRecipients[1].to"),
        (
            {"from": "+1", "smsRecipients": [{"to": "1", "repeatabilityRequestId": 1}]},
            "smsRecipients[0].repeatabilityRequestId",
        ),
        ({"from": "+1"}, "smsRecipients"),
        ({"smsRecipients": []}, "from"),
        ({"from": "123456", "smsRecipients": []}, "from"),
        ({"from": None, "smsRecipients": []}, "from"),
        ({"from": "+1", "smsRecipients": "x"}, "smsRecipients"),
        ({**GOOD, "trunks": {"a": {"to": 1}}}, "trunks[...].to"),
        ([], None),
        ("x", None),
        (None, None),
    ],
)
def test_a_mistake_is_named_at_its_place_in_acs_spelling(document: object, target: str | None) -> None:
    with pytest.raises(InvalidRequest) as refused:
        decode(document)
    assert refused.value.target == target
    assert "`" not in refused.value.message
    assert "$" not in refused.value.message
    assert target is None or refused.value.message.startswith(target + ": ")


def test_an_unknown_field_is_named_where_they_are_forbidden() -> None:
    with pytest.raises(InvalidRequest) as refused:
        BodyDecoder(Strict, (JSON,)).decode(JSON, None, b'{"b":1}')
    assert refused.value.target == "b"


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b'{"from":"\xff"}',
        b'{"from":"\\ud800"}',
        b"\xef\xbb\xbf{}",
        b"[" * 100_000,
        b'{"trunks":' * 30_000,
        b'{"x":' + b"[" * 100_000,
        b'{"from":"+1","smsRecipients":[],"n":' + b"9" * 10_000 + b"}x",
        b"nul",
        b"{} {}",
    ],
)
def test_what_is_not_json_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidRequest):
        DECODER.decode(JSON, None, raw)


def test_the_character_nul_is_refused_at_its_place() -> None:
    with pytest.raises(InvalidRequest) as refused:
        decode({"from": "+1", "smsRecipients": [{"to": "\0"}]})
    assert refused.value.target == "smsRecipients[0].to"


@pytest.mark.parametrize(
    ("written", "character"),
    [(r"x\ud800", 2), (r"\uDC00", 1), (r"a\ud83dz and more", 2), (r"\ud83d\ude00\ud83d", 2)],
)
def test_half_a_surrogate_pair_is_refused_at_its_place(written: str, character: int) -> None:
    raw = f'{{"from": "+1", "smsRecipients": [{{"to": "{written}"}}]}}'.encode()
    with pytest.raises(InvalidRequest) as refused:
        DECODER.decode(JSON, None, raw)
    assert refused.value.target == "smsRecipients[0].to"
    assert refused.value.message == (f"smsRecipients[0].to: Character {character} is half a surrogate pair.")


def test_half_a_surrogate_pair_in_a_name_is_refused_without_repeating_it() -> None:
    with pytest.raises(InvalidRequest, match="half a surrogate pair") as refused:
        DECODER.decode(JSON, None, rb'{"from": "+1", "\ud800": 1}')
    assert refused.value.message.encode()


def test_a_whole_surrogate_pair_is_a_character() -> None:
    assert (
        DECODER.decode(JSON, None, rb'{"from": "\ud83d\ude00", "smsRecipients": []}').sender == "\U0001f600"
    )


def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    assert (
        decode({"from": "\\u00"[:5], "smsRecipients": [{"to": "\\u0000"}]}).sms_recipients[0].to == "\\u0000"
    )


def test_the_last_of_duplicate_members_counts() -> None:
    raw = b'{"from":"+1","from":"+2","smsRecipients":[]}'
    assert DECODER.decode(JSON, None, raw).sender == "+2"


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=utf-8", 'Application/JSON;charset="UTF-8"'],
)
def test_json_is_taken_however_it_is_spelled(content_type: str) -> None:
    assert decode(GOOD, content_type).sender == "+1"


@pytest.mark.parametrize(
    "content_type",
    [None, "", "text/plain", "application/jsonx", MERGE_PATCH, "application/json; charset=utf-16"],
)
def test_another_content_type_is_415(content_type: str | None) -> None:
    with pytest.raises(UnsupportedMedia) as refused:
        decode(GOOD, content_type)
    assert refused.value.target == "Content-Type"


def test_a_compressed_body_is_415() -> None:
    with pytest.raises(UnsupportedMedia):
        DECODER.decode(JSON, "gzip", b"xx")


def test_a_merge_patch_is_taken_where_the_route_says_so() -> None:
    assert BodyDecoder(Strict, (MERGE_PATCH,)).decode(MERGE_PATCH, None, b'{"a":2}') == Strict(2)


def test_no_body_is_an_empty_object_where_that_is_enough() -> None:
    assert BodyDecoder(Strict, (JSON,)).decode(None, None, b"") == Strict()
    with pytest.raises(InvalidRequest, match="A body is required"):
        DECODER.decode(None, None, b"")


@given(st.binary(max_size=200))
def test_any_bytes_are_a_body_or_a_documented_error(raw: bytes) -> None:
    try:
        DECODER.decode(JSON, None, raw)
    except CallerError:
        pass


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from(["from", "smsRecipients", "trunks", "x\0", "to"]), JSON_VALUES, max_size=4
    )
)
def test_any_json_is_a_body_or_a_documented_error(document: object) -> None:
    try:
        decode(document)
    except CallerError:
        pass
