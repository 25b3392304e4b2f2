"""Secrets show stars, wherever they are printed."""

import logging
import traceback

import msgspec
import pytest

from telephony.kernel.secret import Secret, decode_secret

pytestmark = pytest.mark.unit

CANARY = "canary-3f9a"


class Login(msgspec.Struct):
    user: str
    password: Secret


def test_a_secret_shows_itself_only_when_asked() -> None:
    secret = Secret(CANARY)
    assert secret.reveal() == CANARY
    shown = [repr(secret), str(secret), f"{secret}", f"{secret!r}", f"{[secret]}", f"{Login('me', secret)}"]
    assert not [text for text in shown if CANARY in text]


def test_a_log_and_a_traceback_show_stars(caplog: pytest.LogCaptureFixture) -> None:
    secret = Secret(CANARY)
    logging.getLogger("tests").warning("login with %s", secret)
    assert CANARY not in caplog.text
    try:
        raise ValueError(secret)
    except ValueError:
        assert CANARY not in traceback.format_exc()


def test_a_secret_cannot_be_encoded_by_accident() -> None:
    with pytest.raises(TypeError):
        msgspec.json.encode(Login("me", Secret(CANARY)))


def test_secrets_are_equal_when_their_texts_are() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2


def test_an_empty_secret_is_false() -> None:
    assert not Secret("")
    assert Secret("x")


def test_configuration_decodes_a_text_into_a_secret() -> None:
    raw = b'user = "me"\npassword = "canary-3f9a"\n'
    assert msgspec.toml.decode(raw, type=Login, dec_hook=decode_secret).password == Secret(CANARY)
    with pytest.raises(msgspec.ValidationError):
        msgspec.toml.decode(b'user = "me"\npassword = 5\n', type=Login, dec_hook=decode_secret)
