"""Sets of routes on both databases: version after version, never half, never over somebody else's."""

import asyncio

import pytest

from telephony.kernel.errors import PreconditionFailed
from telephony.kernel.ids import ResourceId
from telephony.kernel.store import Store
from telephony.routing.store import KEPT, PutRoutes, ReadRoutes, read_versions

pytestmark = pytest.mark.wire

ONE, OTHER = ResourceId(b"1" * 16), ResourceId(b"2" * 16)


async def test_versions_follow_one_another_and_the_last_ones_are_kept(store: Store) -> None:
    assert await store.read(read_versions) == {}
    assert await store.read(ReadRoutes(ONE)) is None
    for version in range(KEPT + 3):
        document = b'{"routes":[%d]}' % version
        assert await store.write(PutRoutes(ONE, version, document, version)) == version + 1
    await store.write(PutRoutes(OTHER, 0, b"{}", 7))
    assert await store.read(read_versions) == {ONE: KEPT + 3, OTHER: 1}
    newest = await store.read(ReadRoutes(ONE))
    assert newest is not None
    assert (newest.version, newest.document, newest.created) == (KEPT + 3, b'{"routes":[22]}', KEPT + 2)
    assert await store.read(ReadRoutes(ONE, 3)) is None
    oldest = await store.read(ReadRoutes(ONE, 4))
    assert oldest is not None
    assert oldest.document == b'{"routes":[3]}'


async def test_of_two_changes_of_the_same_version_one_is_refused(store: Store) -> None:
    done = await asyncio.gather(
        *(store.write(PutRoutes(ONE, 0, b'{"currency":"EUR"}', 1)) for _ in range(5)), return_exceptions=True
    )
    assert done.count(1) == 1
    refused = [each for each in done if isinstance(each, PreconditionFailed)]
    assert len(refused) == 4
    assert "version 1 is in force" in refused[0].message
    with pytest.raises(PreconditionFailed, match="version 1 is in force"):
        await store.write(PutRoutes(ONE, 5, b"{}", 1))
    assert await store.read(read_versions) == {ONE: 1}
