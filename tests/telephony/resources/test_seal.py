"""Sealing under the node's master keys."""

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.kernel.errors import ConfigurationError
from telephony.kernel.secret import Secret
from telephony.resources.seal import MasterKeys, SealBroken, append_master_key, forget_old_keys

pytestmark = pytest.mark.wire

OLD, NEW = bytes(range(32)), bytes(range(32, 64))


@given(st.binary(max_size=100), st.binary(max_size=40))
def test_what_is_sealed_opens_at_its_place_alone(plain: bytes, place: bytes) -> None:
    keys = MasterKeys([OLD])
    sealed = keys.seal(plain, place)
    assert keys.open(sealed, place, keys.newest) == plain
    for broken, elsewhere in (
        (sealed, place + b"x"),
        (sealed[:-1], place),
        (b"", place),
        (sealed + b"x", place),
    ):
        with pytest.raises(SealBroken):
            keys.open(broken, elsewhere, keys.newest)


def test_the_newest_seals_and_every_one_opens() -> None:
    old, both, new = MasterKeys([OLD]), MasterKeys([OLD, NEW]), MasterKeys([NEW])
    sealed = old.seal(b"secret", b"here")
    assert both.open(sealed, b"here", old.newest) == b"secret"
    assert both.newest == new.newest != old.newest
    with pytest.raises(SealBroken, match=old.newest):
        new.open(sealed, b"here", old.newest)


def test_a_file_is_made_for_the_owner_alone_and_found_again(tmp_path: Path) -> None:
    path = tmp_path / "master-key"
    first = MasterKeys.from_file(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert MasterKeys.from_file(path).newest == first.newest


def test_a_file_that_others_may_read_is_refused_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "master-key"
    MasterKeys.from_file(path)
    path.chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        MasterKeys.from_file(path)


def test_a_key_is_appended_and_seals_from_then_on(tmp_path: Path) -> None:
    path = tmp_path / "master-key"
    old = MasterKeys.from_file(path)
    sealed = old.seal(b"x", b"")
    both = append_master_key(path)
    assert both.newest != old.newest
    assert both.open(sealed, b"", old.newest) == b"x"


@pytest.mark.parametrize("text", ["", "abc", base64.b64encode(b"short").decode(), "!" * 44])
def test_what_is_no_key_is_refused_and_not_shown(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError):
        MasterKeys.parse(Secret(text))
    path = tmp_path / "master-key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match="master-key: it must hold") as refused:
        MasterKeys.from_file(path)
    assert not text or text not in refused.value.message


def test_keys_come_from_the_environment_too() -> None:
    text = base64.b64encode(OLD).decode() + "," + base64.b64encode(NEW).decode()
    assert MasterKeys.parse(Secret(text)).newest == MasterKeys([NEW]).newest


def test_whoever_holds_the_keys_seals_by_the_new_one_and_opens_with_both(tmp_path: Path) -> None:
    path = tmp_path / "master-key"
    held = MasterKeys.from_file(path)
    before = held.seal_named(b"plain", b"place")
    held.become(append_master_key(path))
    after = held.seal_named(b"plain", b"place")
    assert held.ids == (before[1], after[1])
    assert [held.open(sealed, b"place", name) for sealed, name in (before, after)] == [b"plain", b"plain"]
    held.become(forget_old_keys(path, after[1]))
    assert held.ids == (after[1],)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(SealBroken):
        held.open(before[0], b"place", before[1])


def test_a_key_that_somebody_else_added_is_not_taken_for_an_old_one(tmp_path: Path) -> None:
    path = tmp_path / "master-key"
    newest = MasterKeys.from_file(path).newest
    append_master_key(path)
    with pytest.raises(ConfigurationError, match="somebody else"):
        forget_old_keys(path, newest)
    assert len(MasterKeys.from_file(path).ids) == 2
