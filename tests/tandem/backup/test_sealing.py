"""A stream under a passphrase: it opens by that one only, whole only, and unchanged only."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem.backup.sealing import CHUNK, COST, MAGIC, TAG, NotOpened, SealedReader, SealedWriter
from telephony.kernel.secret import Secret

pytestmark = pytest.mark.unit

RIGHT, WRONG = Secret("correct horse battery"), Secret("correct horse batterie")
CHEAP = 2


def sealed(plain: bytes) -> bytes:
    target = io.BytesIO()
    with SealedWriter(target, RIGHT, cost=CHEAP) as writer:
        for start in range(0, len(plain), 50_000):
            writer.write(plain[start : start + 50_000])
    return target.getvalue()


def opened(raw: bytes, passphrase: Secret = RIGHT) -> bytes:
    return io.BufferedReader(SealedReader(io.BytesIO(raw), passphrase)).read()


@pytest.mark.parametrize("length", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_what_is_sealed_opens_and_shows_nothing_before(length: int) -> None:
    plain = b"secret words " * (length // 13) + b"x" * (length % 13)
    raw = sealed(plain)
    assert opened(raw) == plain
    assert b"secret words" not in raw
    assert raw.startswith(MAGIC)


def test_another_passphrase_opens_nothing() -> None:
    with pytest.raises(NotOpened, match="wrong"):
        opened(sealed(b"hello"), WRONG)


@settings(max_examples=40, deadline=None)
@given(st.integers(0), st.integers(1, 255))
def test_a_changed_byte_is_seen_wherever_it_is(place: int, change: int) -> None:
    raw = bytearray(sealed(b"hello" * 20_000))
    raw[len(MAGIC) + place % (len(raw) - len(MAGIC))] ^= change
    with pytest.raises(NotOpened):
        opened(bytes(raw))


def test_chunks_that_are_missing_or_exchanged_are_seen() -> None:
    raw = sealed(bytes(3 * CHUNK))
    begin = raw.index(b"\n", len(MAGIC)) + 1
    chunk = CHUNK + TAG
    head, chunks = raw[:begin], [raw[begin + at * chunk :][:chunk] for at in range(3)]
    assert opened(head + b"".join(chunks)) == bytes(3 * CHUNK)
    for wrong in (chunks[:2], chunks[1:], [chunks[1], chunks[0], chunks[2]], [], [*chunks, chunks[2]]):
        with pytest.raises(NotOpened):
            opened(head + b"".join(wrong))


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}\n",
        b"nothing\n",
        b'{"kdf":"scrypt","n":4294967296,"r":8,"p":1,"salt":"AAAAAAAAAAAAAAAAAAAAAA==","nonce":"AAAAAAAAAA=="}\n',
        b'{"kdf":"scrypt","n":3,"r":8,"p":1,"salt":"AAAAAAAAAAAAAAAAAAAAAA==","nonce":"AAAAAAAAAA=="}\n',
        b'{"kdf":"none","n":2,"r":8,"p":1,"salt":"AAAAAAAAAAAAAAAAAAAAAA==","nonce":"AAAAAAAAAA=="}\n',
        b'{"kdf":"scrypt","n":2,"r":8,"p":1,"salt":"AAAA","nonce":"AAAAAAAAAA=="}\n',
    ],
)
def test_a_header_that_is_not_ours_is_refused(line: bytes) -> None:
    with pytest.raises(NotOpened):
        opened(MAGIC + line + bytes(100))


def test_a_passphrase_costs_what_it_should() -> None:
    assert COST >= 2**17
