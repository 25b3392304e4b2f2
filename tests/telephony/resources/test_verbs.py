"""Resources, their keys, and the directory in memory."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from telephony.kernel.errors import Conflict, InvalidRequest, NotFound
from telephony.kernel.http.route import Role
from telephony.kernel.ids import ResourceId
from telephony.kernel.store import Store
from telephony.resources.access_key import Slot, admin_key_hash, connection_string
from telephony.resources.directory import Directory
from telephony.resources.seal import MasterKeys
from telephony.resources.tables import admin_keys, resource_keys
from telephony.resources.verbs import (
    AddAdminKey,
    AddAuthorities,
    CreateResource,
    RemoveAuthorities,
    Reseal,
    RevokeAdminKey,
    RotateKey,
    SetDisabled,
    list_admin_keys,
)
from tests.support.clock import START

pytestmark = pytest.mark.wire

OLD, NEW = bytes(range(32)), bytes(range(32, 64))
MASTER = MasterKeys([OLD])


@pytest.fixture
async def directory(store: Store) -> AsyncIterator[Directory]:
    directory = await Directory(store, MASTER).start()
    yield directory
    await directory.stop()


def create(name: str = "demo", *authorities: str, **more: Any) -> CreateResource:
    return CreateResource(name, authorities or ("127.0.0.1:8443",), MASTER, START, **more)


async def test_a_resource_is_found_by_its_authority_with_both_keys(
    store: Store, directory: Directory
) -> None:
    created = await store.write(create("demo", "127.0.0.1:8443", "Gateway.example:443", demonstration=True))
    await directory.refresh()
    found = directory.by_authority("127.0.0.1:8443")
    assert found is not None
    assert (found.id, found.name, found.demonstration) == (created.id, "demo", True)
    assert found.keys == (created.keys.primary, created.keys.secondary)
    assert found.authorities == ("127.0.0.1:8443", "gateway.example")
    for spelling in ("gateway.example", "GATEWAY.example", "gateway.example:443"):
        assert directory.by_authority(spelling) is found
    assert directory.by_authority("127.0.0.2:8443") is None
    assert directory.by_id(created.id) is found
    assert directory.authorities == {"127.0.0.1:8443", "gateway.example"}


async def test_an_authority_belongs_to_one_resource(store: Store) -> None:
    await store.write(create())
    with pytest.raises(Conflict):
        await store.write(create("other"))
    await store.write(create("other", "127.0.0.2:8443"))


@pytest.mark.parametrize(
    "verb",
    [
        create(""),
        create("a\nb"),
        create("x" * 129),
        CreateResource("x", [], MASTER, START),
        create("x", *(f"h{number}" for number in range(17))),
        create("x", "https://x"),
    ],
)
async def test_a_resource_against_the_rules_is_refused(sqlite_store: Store, verb: CreateResource) -> None:
    with pytest.raises(InvalidRequest):
        await sqlite_store.write(verb)


async def test_no_key_stands_in_the_database_in_the_clear(sqlite_store: Store, tmp_path: Path) -> None:
    created = await sqlite_store.write(create())
    admin = await sqlite_store.write(AddAdminKey("root", Role.OWNER, START))
    everything = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for secret in (created.keys.primary, created.keys.secondary, admin.key.reveal().encode()):
        assert secret not in everything
    assert "***" in repr(created)
    assert "***" in repr(admin)


async def test_a_rotated_key_takes_the_place_of_the_old_one(store: Store, directory: Directory) -> None:
    created = await store.write(create())
    await directory.refresh()
    fresh = await store.write(RotateKey(created.id, Slot.SECONDARY, MASTER, START))
    await directory.refresh()
    found = directory.by_id(created.id)
    assert found is not None
    assert found.keys == (created.keys.primary, fresh)
    with pytest.raises(NotFound):
        await store.write(RotateKey(ResourceId(bytes(16)), Slot.PRIMARY, MASTER, START))


async def test_another_gateways_change_is_noticed_without_being_told(store: Store) -> None:
    directory = await Directory(store, MASTER, refresh_seconds=0.0).start()
    created = await store.write(create())
    async with asyncio.timeout(5):
        while directory.by_id(created.id) is None:
            await asyncio.sleep(0)
    await directory.stop()


async def test_an_unchanged_database_is_not_read_again(store: Store, directory: Directory) -> None:
    created = await store.write(create())
    await directory.refresh()
    before = directory.by_id(created.id)
    await directory.refresh()
    assert directory.by_id(created.id) is before


async def test_more_authorities_are_added_once(store: Store, directory: Directory) -> None:
    created = await store.write(create())
    await store.write(AddAuthorities(created.id, ["127.0.0.2:8443", "127.0.0.1:8443"], START))
    await directory.refresh()
    found = directory.by_id(created.id)
    assert found is not None
    assert found.authorities == ("127.0.0.1:8443", "127.0.0.2:8443")


async def test_a_new_master_key_seals_everything_again(store: Store) -> None:
    created = await store.write(create())
    assert await store.write(Reseal(MasterKeys([OLD, NEW]), START)) == 2
    assert await store.write(Reseal(MasterKeys([OLD, NEW]), START)) == 0
    directory = Directory(store, MasterKeys([NEW]))
    await directory.refresh()
    found = directory.by_id(created.id)
    assert found is not None
    assert found.keys == (created.keys.primary, created.keys.secondary)


async def test_a_sealed_key_moved_to_another_resource_opens_nothing(
    store: Store, directory: Directory
) -> None:
    one = await store.write(create())
    other = await store.write(create("other", "127.0.0.2:8443"))
    await store.write(
        lambda tx: (
            tx.execute(
                update(resource_keys)
                .where(resource_keys.c.resource == other.id)
                .values(
                    sealed=select(resource_keys.c.sealed)
                    .where(resource_keys.c.resource == one.id, resource_keys.c.slot == "primary")
                    .scalar_subquery()
                )
            ).rowcount
        )
    )
    await directory.refresh()
    found, untouched = directory.by_id(other.id), directory.by_id(one.id)
    assert found is not None
    assert found.keys == ()
    assert untouched is not None
    assert len(untouched.keys) == 2


async def test_an_administrator_is_known_by_the_key_until_it_is_revoked(
    store: Store, directory: Directory
) -> None:
    admin = await store.write(AddAdminKey("ops", Role.OPERATOR, START))
    await directory.refresh()
    known = directory.administrator(admin.key.reveal())
    assert known is not None
    assert (known.name, known.role) == ("ops", Role.OPERATOR)
    assert directory.administrator(admin.key.reveal() + "x") is None
    stored = await store.read(lambda tx: tx.execute(select(admin_keys.c.hash)).scalar_one())
    assert bytes(stored) == admin_key_hash(admin.key.reveal())
    await store.write(RevokeAdminKey(admin.id, START))
    await directory.refresh()
    assert directory.administrator(admin.key.reveal()) is None
    with pytest.raises(NotFound):
        await store.write(RevokeAdminKey(admin.id, START))


def test_a_connection_string_is_azures_and_hides_itself() -> None:
    text = connection_string("127.0.0.1:8443", b"\0" * 6)
    assert text.reveal() == "endpoint=https://127.0.0.1:8443/;accesskey=AAAAAAAA"
    assert "AAAA" not in str(text)


async def test_what_was_read_before_a_rotation_is_never_taken_over_after_it(
    sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    created = await sqlite_store.write(create())
    directory = Directory(sqlite_store, MASTER)
    read, going_on, slow = sqlite_store.read, asyncio.Event(), [True]

    async def slowly(query: Any) -> Any:
        found = await read(query)
        if slow and slow.pop():
            await going_on.wait()
        return found

    monkeypatch.setattr(sqlite_store, "read", slowly)
    early = asyncio.create_task(directory.refresh())
    while slow:
        await asyncio.sleep(0)
    fresh = await sqlite_store.write(RotateKey(created.id, Slot.PRIMARY, MASTER, START))
    late = asyncio.create_task(directory.refresh())
    await asyncio.sleep(0)
    going_on.set()
    await asyncio.gather(early, late)
    found = directory.by_id(created.id)
    assert found is not None
    assert found.keys[0] == fresh


async def test_whoever_follows_the_directory_runs_before_a_refresh_returns(sqlite_store: Store) -> None:
    directory = Directory(sqlite_store, MASTER)
    seen: list[frozenset[str]] = []

    async def follow() -> None:
        seen.append(directory.authorities)

    directory.follow(follow)
    await sqlite_store.write(create())
    await directory.refresh()
    await directory.refresh()
    assert seen == [frozenset({"127.0.0.1:8443"})]


async def test_a_disabled_resource_is_known_but_not_found_by_its_authority(store: Store) -> None:
    directory = Directory(store, MASTER)
    created = await store.write(create())
    await store.write(SetDisabled(created.id, True, START))
    await directory.refresh()
    assert directory.by_authority("127.0.0.1:8443") is None
    assert (directory.knows(created.id), directory.admits(created.id)) == (True, False)
    await store.write(SetDisabled(created.id, False, START))
    await directory.refresh()
    assert directory.by_authority("127.0.0.1:8443") is not None
    assert directory.admits(created.id)
    with pytest.raises(NotFound):
        await store.write(SetDisabled(ResourceId(bytes(16)), True, START))


async def test_authorities_are_removed_and_the_first_that_is_left_comes_first(store: Store) -> None:
    created = await store.write(create("demo", "a.example", "b.example", "c.example"))
    await store.write(RemoveAuthorities(created.id, ["A.example:443"], START))
    await store.write(AddAuthorities(created.id, ["d.example"], START))
    directory = Directory(store, MASTER)
    await directory.refresh()
    found = directory.by_id(created.id)
    assert found is not None
    assert found.authorities == ("b.example", "c.example", "d.example")
    with pytest.raises(InvalidRequest):
        await store.write(RemoveAuthorities(created.id, ["b.example", "c.example", "d.example"], START))
    with pytest.raises(NotFound):
        await store.write(RemoveAuthorities(created.id, ["a.example"], START))


async def test_the_last_owners_key_stays(store: Store) -> None:
    owner = await store.write(AddAdminKey("owner", Role.OWNER, START))
    other = await store.write(AddAdminKey("other", Role.OWNER, START))
    await store.write(RevokeAdminKey(owner.id, START))
    with pytest.raises(Conflict):
        await store.write(RevokeAdminKey(other.id, START))
    listed = await store.read(list_admin_keys)
    assert [(one.name, one.revoked) for one in listed] == [("owner", START), ("other", None)]
