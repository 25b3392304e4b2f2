"""A first start that ends in the middle leaves nothing that the next one would take for a whole one."""

from pathlib import Path

import msgspec
import pytest

from sms.inward.targets import SUBSCRIPTIONS
from tandem.config.load import load
from tandem.first_routes import put_first_routes
from tandem.first_start import FIRST_NUMBER, ensure_first_resource
from telephony.calling.targets import VOICE_TARGETS
from telephony.kernel.clock import SystemClock
from telephony.kernel.ids import ResourceId
from telephony.kernel.store import Store
from telephony.numbers.reservations import ChangeReservation
from telephony.numbers.settings import NumberSettings
from telephony.numbers.store import ListNumbers
from telephony.numbers.trade import Purchase, ReleaseNumber
from telephony.resources.directory import Directory
from telephony.resources.seal import MasterKeys
from telephony.routing.compiling import check_set
from telephony.routing.directory import OPERATOR
from telephony.routing.inbound import Arrival, compile_inbound, decide_inbound
from telephony.routing.rules import Kind, RouteSet
from telephony.routing.store import PutRoutes, ReadRoutes
from telephony.routing.targets import BASIC, TargetKinds

pytestmark = pytest.mark.wire

KINDS = TargetKinds((*BASIC, SUBSCRIPTIONS, *VOICE_TARGETS))
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


async def test_a_node_begins_with_routes_that_the_operator_may_take_away(
    store: Store, tmp_path: Path
) -> None:
    await first_start(store, tmp_path)
    first = await store.read(ReadRoutes(OPERATOR))
    assert first is not None
    assert first.version == 1
    rules = msgspec.json.decode(first.document, type=RouteSet)
    assert check_set(rules, {}, KINDS, operator=True) == ()
    table = compile_inbound(rules, KINDS)
    for own in (FIRST_NUMBER, "+4930123456", "12345"):
        found = decide_inbound(table, Arrival(Kind.SMS, own, "+12065550100", 1))
        assert [stop.kind for stop in found.stops] == ["subscriptions"]
    for own, kinds in ((FIRST_NUMBER, ["subscriptions", "echo"]), ("+4930123456", ["subscriptions"])):
        found = decide_inbound(table, Arrival(Kind.VOICE, own, "+12065550100", 1))
        assert [stop.kind for stop in found.stops] == kinds
    await store.write(PutRoutes(OPERATOR, 1, b"{}", 2))
    await first_start(store, tmp_path)
    await store.write(lambda tx: put_first_routes(tx, 3, None))
    kept = await store.read(ReadRoutes(OPERATOR))
    assert kept is not None
    assert (kept.version, kept.document) == (2, b"{}")
