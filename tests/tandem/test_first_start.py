"""A first start that ends in the middle leaves nothing that the next one would take for a whole one."""

from pathlib import Path

import pytest

from tandem.config.load import load
from tandem.first_start import FIRST_NUMBER, ensure_first_resource
from telephony.kernel.clock import SystemClock
from telephony.kernel.ids import ResourceId
from telephony.kernel.store import Store
from telephony.numbers.reservations import ChangeReservation
from telephony.numbers.settings import NumberSettings
from telephony.numbers.store import ListNumbers
from telephony.numbers.trade import Purchase, ReleaseNumber
from telephony.resources.directory import Directory
from telephony.resources.seal import MasterKeys

pytestmark = pytest.mark.wire

MASTER = MasterKeys([bytes(range(32))])


async def first_start(store: Store, folder: Path) -> Directory:
    configuration = load(flags={"data": str(folder)}, environment={}).configuration
    directory = Directory(store, MASTER)
    await directory.refresh()
    await ensure_first_resource(configuration, store, MASTER, directory, SystemClock())
    return directory


@pytest.mark.parametrize("job", [ChangeReservation, Purchase])
async def test_the_next_start_buys_the_number_that_a_broken_one_did_not(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, job: type
) -> None:
    def dies(*_: object) -> None:
        raise RuntimeError("the process ended here")

    with monkeypatch.context() as broken:
        broken.setattr(job, "__call__", dies)
        with pytest.raises(RuntimeError):
            await first_start(store, tmp_path)
    directory = await first_start(store, tmp_path)
    (resource,) = directory.resources
    assert [one.number for one in await store.read(ListNumbers(resource.id))] == [FIRST_NUMBER]


async def test_a_number_that_was_released_is_not_bought_again(store: Store, tmp_path: Path) -> None:
    (resource,) = (await first_start(store, tmp_path)).resources
    at_once = NumberSettings(quarantine_days=0)
    await store.write(ReleaseNumber(ResourceId(resource.id), FIRST_NUMBER, at_once))
    again = await first_start(store, tmp_path)
    assert [one.id for one in again.resources] == [resource.id]
    assert await store.read(ListNumbers(ResourceId(resource.id))) == []
