"""A backup of a running gateway, put back elsewhere: the same resources, keys and messages."""

import asyncio
import json
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from tandem.backup.archive import Damaged
from tandem.backup.verbs import backup, restore
from tandem.config.load import load
from tandem.config.tree import Configuration
from telephony.kernel.clock import SystemClock
from telephony.kernel.errors import ConfigurationError
from telephony.kernel.ids import to_text
from telephony.kernel.secret import Secret
from tests.support.inside import Inside, inside
from tests.support.postgres import Postgres

pytestmark = pytest.mark.wire

TARGET = "/sms?api-version=2021-03-07"
PASSPHRASE = Secret("correct horse battery")
CLOCK = SystemClock()


def configured(folder: Path, **settings: str) -> Configuration:
    return load(flags={"data": str(folder), **settings}, environment={}).configuration


@asynccontextmanager
async def database(kind: str, request: pytest.FixtureRequest) -> AsyncIterator[dict[str, str]]:
    """Lend the settings of an empty database."""
    if kind == "sqlite":
        yield {}
        return
    postgres: Postgres = request.getfixturevalue("postgres")
    name = await asyncio.to_thread(postgres.create)
    try:
        yield {"database": f"postgresql://postgres@127.0.0.1:{postgres.port}/{name}"}
    finally:
        await asyncio.to_thread(postgres.drop, name)


async def send(home: Inside, text: str) -> str:
    body = {"from": home.one.number, "smsRecipients": [{"to": "+12065550100"}], "message": text}
    answer = await home.sign_and_ask("POST", TARGET, json.dumps(body).encode())
    assert answer.status == 202, answer.body
    return str(answer.json["value"][0]["messageId"])


async def texts(home: Inside) -> dict[str, str]:
    """Return the texts of all messages by id."""
    path = f"/admin/resources/{to_text(home.one.id)}/messages"
    found = {}
    for each in (await home.administer("GET", path + "?top=500")).json["value"]:
        view = await home.administer("GET", f"{path}/{each['messageId']}")
        found[each["messageId"]] = view.json["text"]
    return found


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_a_backup_under_load_is_restored_into_an_empty_folder(
    tmp_path: Path, request: pytest.FixtureRequest, kind: str
) -> None:
    passphrase = PASSPHRASE if kind == "sqlite" else None
    saved, sent = tmp_path / "saved", {}
    async with database(kind, request) as first, database(kind, request) as second:
        async with inside(tmp_path / "one", log__level="error", **first) as home:
            for number in range(10):
                sent[await send(home, f"before {number}")] = f"before {number}"
            going = asyncio.Event()

            async def load_it() -> None:
                while not going.is_set():
                    await send(home, "meanwhile")

            load = asyncio.create_task(load_it())
            done = await asyncio.to_thread(
                backup, configured(tmp_path / "one", **first), saved, passphrase, CLOCK, cost=2
            )
            going.set()
            await load
            key, admin_key = home.one.key, home.admin_key
            authority = (tmp_path / "one" / "ca.pem").read_bytes()
        assert done.manifest.database == kind
        assert saved.stat().st_mode & 0o777 == 0o600
        assert done.size == saved.stat().st_size
        elsewhere = configured(tmp_path / "two", **second)
        manifest = await asyncio.to_thread(restore, elsewhere, saved, passphrase)
        assert manifest == done.manifest
        async with inside(tmp_path / "two", log__level="error", **second) as again:
            assert again.one.key == key
            assert again.admin_key == admin_key
            assert (tmp_path / "two" / "ca.pem").read_bytes() == authority
            found = await texts(again)
            assert sent.items() <= found.items()
            assert set(found.values()) - set(sent.values()) <= {"meanwhile"}
            # Nothing is put over what is there.
            with pytest.raises(ConfigurationError, match=r"exists|another gateway|Another gateway"):
                await asyncio.to_thread(restore, elsewhere, saved, passphrase)
        with pytest.raises(ConfigurationError, match="exists"):
            await asyncio.to_thread(restore, elsewhere, saved, passphrase)
        if kind == "postgresql":
            with pytest.raises(ConfigurationError, match="tables already"):
                await asyncio.to_thread(restore, configured(tmp_path / "three", **second), saved, None)


@pytest.fixture
async def saved(tmp_path: Path) -> Path:
    """A backup of a fresh SQLite node."""
    async with inside(tmp_path / "origin", log__level="error"):
        pass
    await asyncio.to_thread(backup, configured(tmp_path / "origin"), tmp_path / "saved", None, CLOCK)
    return tmp_path / "saved"


async def test_a_backup_that_does_not_fit_leaves_the_folder_as_it_was(
    tmp_path: Path, saved: Path, request: pytest.FixtureRequest
) -> None:
    empty = tmp_path / "empty"
    another_key = "A" * 43 + "="
    with pytest.raises(ConfigurationError, match="not the one that sealed"):
        restore(configured(empty, master_key=another_key), saved, None)
    async with database("postgresql", request) as settings:
        with pytest.raises(ConfigurationError, match="the configured database is postgresql"):
            await asyncio.to_thread(restore, configured(empty, **settings), saved, None)
    with pytest.raises(ConfigurationError, match="exists"):
        backup(configured(tmp_path / "origin"), saved, None, CLOCK)
    with pytest.raises(ConfigurationError, match="there is no database"):
        backup(configured(tmp_path / "nobody"), tmp_path / "more", None, CLOCK)
    assert [path.name for path in empty.iterdir()] == ["gateway.lock"]
    key = (tmp_path / "origin" / "master-key").read_text().strip()
    restore(configured(empty, master_key=key), saved, None)
    assert not (empty / "master-key").exists()  # it is in the configuration
    assert (empty / "tandem.db").exists()


def _changed(saved: Path, target: Path, **changes: Any) -> None:
    """Write a backup again with another manifest."""
    import msgspec

    from tandem.backup.archive import member_of, read_archive, write_archive

    folder = target.with_name(target.name + ".d")
    folder.mkdir()
    manifest = read_archive(saved, folder, None)
    if damage := changes.pop("damage", None):
        damage(folder)
    files = {name: folder / name for name in manifest.members}
    members = {name: member_of(path) for name, path in files.items()}
    write_archive(target, msgspec.structs.replace(manifest, members=members, **changes), files, None)
    shutil.rmtree(folder)


async def test_a_newer_schema_another_key_or_a_broken_database_is_refused(
    tmp_path: Path, saved: Path
) -> None:
    def break_it(folder: Path) -> None:
        path = folder / "database.sqlite3"
        raw = bytearray(path.read_bytes())
        raw[4096:8192] = b"\xff" * 4096
        path.write_bytes(raw)

    def orphan(folder: Path) -> None:
        with closing(sqlite3.connect(folder / "database.sqlite3")) as tx:
            tx.execute("DELETE FROM resources")
            tx.commit()

    cases: dict[str, tuple[dict[str, Any], str]] = {
        "newer": ({"revision": "9999"}, "does not know it"),
        "key": ({"master_keys": ("another",)}, "not the one that the manifest names"),
        "broken": ({"damage": break_it}, "damaged"),
        "orphan": ({"damage": orphan}, "a reference leads nowhere"),
    }
    for name, (changes, words) in cases.items():
        await asyncio.to_thread(_changed, saved, tmp_path / name, **changes)
        with pytest.raises(ConfigurationError, match=words):
            restore(configured(tmp_path / "empty"), tmp_path / name, None)
    assert issubclass(Damaged, ConfigurationError)
    assert [path.name for path in (tmp_path / "empty").iterdir()] == ["gateway.lock"]
