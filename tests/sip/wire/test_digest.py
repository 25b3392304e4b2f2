"""Digest authentication against the figures of its documents."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.wire.digest import Challenge, answer, ha1, parse_challenge, username_of, verify
from sip.wire.errors import Malformed

pytestmark = pytest.mark.wire

RFC_2617 = Challenge(
    "testrealm@host.com", "dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"
)
"""RFC 2617 §3.5."""


def test_the_answer_is_that_of_rfc_2617() -> None:
    text = answer(
        RFC_2617,
        username="Mufasa",
        secret=ha1("Mufasa", RFC_2617.realm, "Circle Of Life"),
        method="GET",
        uri="/dir/index.html",
        cnonce="0a4f113b",
    )
    assert 'response="6629fae49393a05397450978507c4ef1"' in text
    assert username_of(text) == "Mufasa"


@pytest.mark.parametrize("qop", [True, False])
@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_only_the_right_word_for_the_right_method_is_taken(algorithm: str, qop: bool) -> None:
    asked = Challenge("r", "n1", algorithm, qop)  # type: ignore[arg-type]
    assert parse_challenge(str(asked)) == asked
    secret = ha1("desk", "r", "word", asked.algorithm)
    text = answer(asked, username="desk", secret=secret, method="INVITE", uri="sip:x", cnonce="c", count=2)
    assert verify(asked, text, secret=secret, method="INVITE")
    assert not verify(asked, text, secret=secret, method="BYE")
    assert not verify(asked, text, secret=ha1("desk", "r", "other", asked.algorithm), method="INVITE")
    assert not verify(Challenge("r", "n2", asked.algorithm, qop), text, secret=secret, method="INVITE")


@pytest.mark.parametrize(
    "text",
    [
        "Basic abc",
        'Digest realm="r"',
        'Digest realm="r", nonce="n", algorithm=SHA-512',
        'Digest realm="r", nonce="n", qop="auth-int"',
        'Digest realm="r", realm="q", nonce="n"',
        'Digest realm="r" nonce',
    ],
)
def test_a_challenge_that_cannot_be_answered_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        parse_challenge(text)


@given(st.text(max_size=80))
def test_any_text_is_a_challenge_or_malformed(text: str) -> None:
    try:
        parse_challenge("Digest " + text)
        verify(RFC_2617, "Digest " + text, secret="x", method="INVITE")
    except Malformed:
        return
