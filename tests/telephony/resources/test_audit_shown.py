"""What a record of the audit shows of a thing, and what it hides."""

import json
from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta, Raw, Struct

from telephony.kernel.secret import Secret
from telephony.resources.audit_shown import HIDDEN, MAX_JSON, SHORTENED, is_secret_name, shown, shown_json

pytestmark = pytest.mark.unit


class Inner(Struct, rename="camel"):
    connection_string: str
    key_type: str


class Thing(Struct, rename="camel"):
    name: str
    admin_key: str
    sealed: Secret
    inner: Inner
    url: str
    person: Annotated[str, Meta(extra=SHORTENED)]
    note: Annotated[str, Meta(extra=HIDDEN)]
    to: str
    text: str
    more: dict[str, Any]
    raw: Raw
    nothing: str | None = None


def test_secrets_texts_and_numbers_of_people_are_hidden() -> None:
    thing = Thing(
        "name",
        "tak_1",
        Secret("2"),
        Inner("endpoint=3", "primary"),
        "https://user:4@example.com/path?token=5#6",
        "+12065550123",
        "7",
        "+12065550123",
        "8",
        {"password": "9", "list": [{"secret": "10", "kept": 1}], "octets": b"11"},
        Raw(b'{"token":"12","kept":true}'),
    )
    assert shown(thing) == {
        "name": "name",
        "adminKey": "***",
        "sealed": "***",
        "inner": {"connectionString": "***", "keyType": "primary"},
        "url": "https://example.com/path?***",
        "person": "+1206*****23",
        "note": "***",
        "to": "+1206*****23",
        "text": "***",
        "more": {"password": "***", "list": [{"secret": "***", "kept": 1}], "octets": {"bytes": 2}},
        "raw": {"token": "***", "kept": True},
    }


def test_what_is_too_long_or_too_deep_is_not_kept() -> None:
    assert json.loads(shown_json({"long": "x" * MAX_JSON}) or "") == {"tooLongToKeep": MAX_JSON + 11}
    deep: list[Any] = []
    for _ in range(50):
        deep = [deep]
    assert "***" in str(shown(deep))
    assert shown_json(None) is None
    assert shown_json(object()) == '"***"'
    assert shown_json(msgspec.UNSET) == '"***"'


@pytest.mark.parametrize(
    "name", ["secret", "password", "accessKey", "access_key", "primaryConnectionString", "apiToken", "keys"]
)
def test_a_name_that_ends_like_a_secret_is_one(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["keyType", "name", "tokenLifetime", "authorities", "value"])
def test_other_names_are_none(name: str) -> None:
    assert not is_secret_name(name)
