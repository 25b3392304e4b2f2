"""The master key is changed while a gateway works: everything opens afterwards, by the new key alone."""

import json
from base64 import b64encode
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import LargeBinary, func, insert, select, update

from tandem.master_key import SEALED
from tandem.schema import metadata
from telephony.identity.tables import token_keys
from telephony.kernel.clock import MINUTE, SystemClock
from telephony.kernel.errors import Unavailable
from telephony.kernel.ids import to_text
from telephony.kernel.store import Store
from telephony.kernel.store.leases import RegisterNode
from telephony.resources.reseal import SLICE, ResealSlice, count_older
from telephony.resources.seal import MasterKeys, SealBroken, SelfDescribing
from tests.support.inside import Inside, inside
from tests.support.receiver import Receiver

pytestmark = pytest.mark.wire

OLD, NEW = bytes(range(32)), bytes(range(32, 64))


async def administer(home: Inside, method: str, path: str, body: object = None, status: int = 200) -> Any:
    raw = b"" if body is None else json.dumps(body).encode()
    answer = await home.administer(method, path, raw)
    assert answer.status == status, answer.body
    return answer.json if answer.body else None


async def works(home: Inside) -> None:
    """Look that everything sealed opens: an access key, and what a fresh directory reads."""
    body = b'{"createTokenWithScopes":["chat"]}'
    known = home.gateway.directory.by_id(home.one.id)
    assert known is not None
    owner = replace(home.one, authority=known.authorities[0])  # after a restart the port is another
    answer = await home.sign_and_ask("POST", "/identities?api-version=2023-10-01", body, tenant=owner)
    assert answer.status == 201, answer.body


async def test_a_rotated_master_key_opens_everything_and_the_old_one_is_forgotten(tmp_path: Path) -> None:
    folder = tmp_path / "var"
    async with Receiver() as endpoint:
        settings = {"outbound__allow": f'["127.0.0.1:{endpoint.port}"]', "log__level": "error"}
        async with inside(folder, **settings) as home:
            one = f"/admin/resources/{to_text(home.one.id)}"
            webhook = {"name": "webhook", "url": endpoint.url}
            made = await administer(home, "POST", one + "/subscriptions", webhook, 201)
            await administer(home, "POST", f"{one}/subscriptions/{made['id']}:rotateSecret")
            await administer(home, "POST", one + "/smppAccounts", {"systemId": "crm"}, 201)
            await administer(
                home, "PUT", "/admin/carriers/acme", {"carrier": {"sip": {"a": {"host": "sip"}}}}
            )
            await works(home)
            before = await administer(home, "GET", "/admin/masterKey")
            assert (len(before["keys"]), before["fromFile"], before["sealedByOlder"]) == (1, True, 0)
            await administer(home, "POST", "/admin/masterKey:forgetOld")  # there is none: nothing happens
            after = await administer(home, "POST", "/admin/masterKey:rotate")
            assert after["keys"][0] == before["keys"][0]
            assert (len(after["keys"]), after["sealedByOlder"]) == (2, 0)
            await works(home)
            lines = (folder / "master-key").read_text().split()
            left = await administer(home, "POST", "/admin/masterKey:forgetOld")
            assert left["keys"] == after["keys"][1:]
            assert (folder / "master-key").read_text().split() == lines[1:]
            assert (folder / "master-key").stat().st_mode & 0o777 == 0o600
            await works(home)
            audited = (await administer(home, "GET", "/admin/audit?operation=admin.master_key."))["value"]
            assert len(audited) == 3
            assert not [line for line in lines if line in str(audited)]
        async with inside(folder, **settings) as again:
            await works(again)
            assert (await administer(again, "GET", "/admin/carriers/acme"))["trunks"] == ["a"]
            rows = await again.gateway.store.read(
                lambda tx: [tx.execute(select(func.count(each.column))).scalar_one() for each in SEALED]
            )
            assert all(rows), f"nothing was sealed in one of {rows}"
            newest = MasterKeys.from_file(folder / "master-key").newest
            assert await again.gateway.store.read(count_older(SEALED, newest)) == 0
            await administer(again, "POST", f"{one}/subscriptions/{made['id']}:rotateSecret")


async def test_a_key_in_the_configuration_is_changed_there_and_sealed_again(tmp_path: Path) -> None:
    old, new = b64encode(OLD).decode(), b64encode(NEW).decode()
    async with inside(tmp_path / "var", master_key=old, log__level="error") as home:
        refused = await administer(home, "POST", "/admin/masterKey:rotate", None, 409)
        assert "master_key" in refused["error"]["message"]
        await administer(home, "POST", "/admin/masterKey:forgetOld", None, 409)
    async with inside(tmp_path / "var", master_key=f"{old},{new}", log__level="error") as home:
        seen = await administer(home, "GET", "/admin/masterKey")
        assert (seen["fromFile"], seen["sealedByOlder"] > 0) == (False, True)
        assert (await administer(home, "POST", "/admin/masterKey:reseal"))["sealedByOlder"] == 0
    async with inside(tmp_path / "var", master_key=new, log__level="error") as home:
        await works(home)


async def test_a_change_that_breaks_off_in_the_middle_is_finished_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with inside(tmp_path / "var", log__level="error") as home:
        await works(home)
        write = home.gateway.store.write

        async def away(job: Any) -> Any:
            if isinstance(job, ResealSlice):
                raise Unavailable("The database is away; try again.")
            return await write(job)

        with monkeypatch.context() as patch:
            patch.setattr(home.gateway.store, "write", away)
            await administer(home, "POST", "/admin/masterKey:rotate", None, 503)
        assert (await administer(home, "GET", "/admin/masterKey"))["sealedByOlder"] > 0
        await administer(home, "POST", "/admin/masterKey:forgetOld", None, 409)
        await works(home)
        assert (await administer(home, "POST", "/admin/masterKey:reseal"))["sealedByOlder"] == 0
        assert len((await administer(home, "POST", "/admin/masterKey:forgetOld"))["keys"]) == 1
        await works(home)


async def test_with_other_gateways_a_new_key_is_brought_to_them_first(tmp_path: Path) -> None:
    async with inside(tmp_path / "var", log__level="error") as home:
        await home.gateway.store.write(RegisterNode("another machine"))
        refused = await administer(home, "POST", "/admin/masterKey:rotate", None, 409)
        assert "1 more gateways" in refused["error"]["message"]
        assert len(MasterKeys.from_file(tmp_path / "var" / "master-key").ids) == 1


async def test_values_are_sealed_again_slice_by_slice_and_a_damaged_one_is_told(store: Store) -> None:
    (sealed,) = [each for each in SEALED if each.column.table is token_keys]
    old, both = SelfDescribing(MasterKeys([OLD])), MasterKeys([OLD, NEW])
    now, count = SystemClock().now(), SLICE + 1
    rows = [
        {
            "resource": place.to_bytes(16, "big"),
            "id": place.to_bytes(16, "big"),
            "state": "retired",
            "public": b"",
            "created": now,
            "expires": now + MINUTE,
        }
        for place in range(count)
    ]
    named = [type("Row", (), row) for row in rows]
    for row, as_row in zip(rows, named, strict=True):
        row["sealed"] = old.seal(b"plain", sealed.place(as_row))
    await store.write(lambda tx: tx.execute(insert(token_keys), rows))
    assert await store.read(count_older(SEALED, both.newest)) == count
    assert await store.write(ResealSlice(sealed, both)) == SLICE
    assert await store.read(count_older(SEALED, both.newest)) == 1
    assert await store.write(ResealSlice(sealed, both)) == 1
    assert await store.write(ResealSlice(sealed, both)) == 0
    new = SelfDescribing(MasterKeys([NEW]))
    found = await store.read(lambda tx: tx.execute(select(token_keys)).all())
    assert {new.open(bytes(row.sealed), sealed.place(row)) for row in found} == {b"plain"}
    await store.write(lambda tx: tx.execute(update(token_keys).values(sealed=b"x" * 40)))
    with pytest.raises(SealBroken):
        await store.write(ResealSlice(sealed, both))


def test_every_column_of_sealed_values_is_sealed_again() -> None:
    named = ("sealed", "secret", "old_secret", "password")
    suspects = {
        f"{table.name}.{column.name}"
        for table in metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, LargeBinary) and column.name in named
    }
    known = {f"{each.column.table.name}.{each.column.name}" for each in SEALED} | {"resource_keys.sealed"}
    assert suspects == known
