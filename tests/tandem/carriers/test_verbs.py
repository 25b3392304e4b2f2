"""Applying folders, owning carriers, and following what another gateway changed; on both databases."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select

from carriers.model.carrier import Carrier
from sms.traffic import check_carrier
from tandem.carriers.directory import CarrierDirectory
from tandem.carriers.store import read_stamps
from tandem.carriers.tables import carriers
from tandem.carriers.verbs import CarrierVerbs, Source, What
from telephony.kernel.errors import Conflict, InvalidRequest, NotFound, PreconditionFailed
from telephony.kernel.store import Store
from telephony.resources.seal import MasterKeys, SelfDescribing
from tests.support.clock import ManualClock

pytestmark = pytest.mark.unit

OWN = {"own": Carrier()}
SEALER = SelfDescribing(MasterKeys([bytes(32)]))


class Gateway:
    """What one gateway has of carriers."""

    def __init__(self, store: Store, data: Path, environment: dict[str, str] | None = None) -> None:
        self.needed: set[str] = set()
        self.told = 0
        self.directory = CarrierDirectory(
            OWN, store=store, sealer=SEALER, check=check_carrier, environment=environment or {}
        )
        self.verbs = CarrierVerbs(
            store=store,
            clock=ManualClock(),
            sealer=SEALER,
            directory=self.directory,
            data=data,
            check=check_carrier,
            needs=self._needs,
        )
        self.directory.follow(self._hear)

    def _needs(self, _: Connection, name: str) -> Sequence[str]:
        return ["somebody needs it"] if name in self.needed else []

    async def _hear(self) -> None:
        self.told += 1

    @property
    def names(self) -> list[str]:
        return sorted(self.directory.carriers)

    def link(self, carrier: str) -> Any:
        return self.directory.carriers[carrier].smpp["one"]


@pytest.fixture
def here(store: Store, tmp_path: Path) -> Gateway:
    return Gateway(store, tmp_path / "data")


def carrier(host: str = "smsc", **fields: Any) -> dict[str, Any]:
    return {"smpp": {"one": {"host": host, "system_id": "me", **fields}}}


def folder(**files: dict[str, Any]) -> list[Source]:
    return [Source(f"{name}.toml", named) for name, named in files.items()]


async def test_a_folder_is_applied_as_a_whole_and_what_left_it_is_taken_away(here: Gateway) -> None:
    first = folder(a={"acme": carrier(), "beta": carrier()}, b={"gamma": carrier()})
    assert set((await here.verbs.apply(first)).values()) == {What.ADDED}
    assert here.names == ["acme", "beta", "gamma", "own"]
    second = folder(a={"acme": carrier("elsewhere"), "gamma": carrier()})
    assert await here.verbs.apply(second) == {
        "acme": What.CHANGED,
        "beta": What.REMOVED,
        "gamma": What.CHANGED,  # of another file now
    }
    assert here.names == ["acme", "gamma", "own"]
    assert here.link("acme").host == "elsewhere"
    assert here.told == 2


async def test_a_check_tells_what_would_change_and_changes_nothing(here: Gateway) -> None:
    assert await here.verbs.apply(folder(a={"acme": carrier()}), check=True) == {"acme": What.ADDED}
    assert here.names == ["own"]
    await here.verbs.apply(folder(a={"acme": carrier()}))
    assert await here.verbs.apply(folder(a={"acme": carrier()}), check=True) == {"acme": What.SAME}


async def test_one_mistake_leaves_everything_as_it_was_and_every_mistake_is_told(
    here: Gateway, store: Store
) -> None:
    await here.verbs.apply(folder(a={"acme": carrier()}))
    stamps = await store.read(read_stamps)
    broken = folder(
        a={"acme": carrier("elsewhere")},
        b={"beta": carrier(port=0), "gamma": carrier(service_type="ж")},
        c={"delta": carrier(password="file:here")},
    )
    with pytest.raises(InvalidRequest) as told:
        await here.verbs.apply(broken)
    lines = told.value.message.splitlines()
    assert lines[0].startswith("b.toml: carriers.beta.smpp.one.port: expected a whole number")
    assert lines[1].startswith("c.toml: carriers.delta.smpp.one.password: expected a path from the root")
    assert await store.read(read_stamps) == stamps
    assert here.link("acme").host == "smsc"


async def test_a_link_that_no_message_could_be_sent_with_is_refused_with_its_file(here: Gateway) -> None:
    with pytest.raises(InvalidRequest) as told:
        await here.verbs.apply(folder(a={"acme": carrier(service_type="ж")}))
    assert told.value.message.startswith("a.toml: carriers.acme.smpp.one")


async def test_a_carrier_stands_in_one_file_only(here: Gateway) -> None:
    with pytest.raises(InvalidRequest, match=r"b\.toml: carriers\.acme: stands in a\.toml too"):
        await here.verbs.apply(folder(a={"acme": carrier()}, b={"acme": carrier()}))


async def test_a_carrier_that_is_needed_is_not_taken_away_nor_anything_else_done(here: Gateway) -> None:
    await here.verbs.apply(folder(a={"acme": carrier(), "beta": carrier()}))
    here.needed = {"beta"}
    without = folder(a={"acme": carrier("elsewhere")})
    for check in (True, False):
        with pytest.raises(Conflict, match=r"carriers\.beta: cannot be taken away: somebody needs it"):
            await here.verbs.apply(without, check=check)
    assert here.names == ["acme", "beta", "own"]
    assert here.link("acme").host == "smsc"


async def test_what_a_file_or_the_configuration_owns_is_read_only(here: Gateway) -> None:
    await here.verbs.apply(folder(a={"acme": carrier()}))
    for name, owner in (("acme", r"the file a\.toml"), ("own", "the node's configuration")):
        with pytest.raises(Conflict, match=f"The carrier {name} is owned by {owner}"):
            await here.verbs.put(name, carrier(), None)
        with pytest.raises(Conflict, match=owner):
            await here.verbs.remove(name)
    with pytest.raises(Conflict, match=r"a\.toml: carriers\.own: owned by the node's configuration"):
        await here.verbs.apply(folder(a={"own": carrier()}))
    assert [(each.name, each.file, each.version) for each in await here.verbs.shown()] == [
        ("acme", "a.toml", 1),
        ("own", "", 0),
    ]


async def test_a_carrier_of_no_file_is_added_changed_and_taken_away_alone(here: Gateway) -> None:
    await here.verbs.apply(folder(a={"acme": carrier()}))
    made = await here.verbs.put("beta", carrier(password="hush"), 0)
    assert (made.version, made.file) == (1, "")
    with pytest.raises(PreconditionFailed):
        await here.verbs.put("beta", carrier(), 0)
    changed = await here.verbs.put("beta", carrier("elsewhere", password="***"), 1)
    assert changed.version == 2
    assert here.link("beta").password.reveal() == "hush"
    await here.verbs.apply(folder(a={}))
    assert here.names == ["beta", "own"]
    here.needed = {"beta"}
    with pytest.raises(Conflict, match="somebody needs it"):
        await here.verbs.remove("beta")
    here.needed = set()
    await here.verbs.remove("beta")
    with pytest.raises(NotFound):
        await here.verbs.remove("beta")
    with pytest.raises(NotFound):
        await here.verbs.show("beta")


@pytest.mark.parametrize("name", ["o ne", "../x", "x" * 65, "@number"])
async def test_a_name_is_a_name(here: Gateway, name: str) -> None:
    with pytest.raises(InvalidRequest, match="is no name"):
        await here.verbs.put(name, carrier(), None)


async def test_other_gateways_follow(here: Gateway, store: Store, tmp_path: Path) -> None:
    there = Gateway(store, tmp_path / "data")
    await there.directory.refresh()
    await here.verbs.apply(folder(a={"acme": carrier()}))
    await there.directory.refresh()
    await there.directory.refresh()
    assert (there.names, there.told) == (["acme", "own"], 1)
    await here.verbs.apply(folder(a={}))
    await there.directory.refresh()
    assert (there.names, there.told) == (["own"], 2)


async def test_a_secret_in_the_store_is_sealed_and_a_reference_is_fetched_where_it_is_needed(
    here: Gateway, store: Store, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("one\n")
    await here.verbs.apply(
        folder(a={"acme": carrier(password=f"file:{secret}"), "b": carrier(password="c4n4ry")})
    )
    stored = await store.read(lambda tx: [bytes(row.sealed) for row in tx.execute(select(carriers))])
    assert all(b"c4n4ry" not in each and b"smsc" not in each for each in stored)
    assert here.link("acme").password.reveal() == "one"

    # The file has another secret now: applying the same folder takes it over, here and elsewhere.
    there = Gateway(store, tmp_path / "data")
    await there.directory.refresh()
    secret.write_text("two\n")
    again = folder(a={"acme": carrier(password=f"file:{secret}"), "b": carrier(password="c4n4ry")})
    assert set((await here.verbs.apply(again)).values()) == {What.SAME}
    await there.directory.refresh()
    assert here.link("acme").password.reveal() == there.link("acme").password.reveal() == "two"


async def test_a_gateway_without_the_secret_keeps_what_it_had_says_so_and_goes_on_once_it_is_there(
    here: Gateway, store: Store, tmp_path: Path
) -> None:
    there = Gateway(store, tmp_path / "data")
    await here.verbs.apply(folder(a={"acme": carrier()}))
    await there.directory.refresh()
    secret = tmp_path / "secret"
    secret.write_text("hush")
    await here.verbs.apply(folder(a={"acme": carrier("elsewhere", password=f"file:{secret}")}))
    secret.rename(tmp_path / "away")
    await there.directory.refresh()
    assert there.link("acme").host == "smsc"
    (trouble,) = there.directory.trouble()
    assert "the carrier acme cannot be used here as it was changed" in trouble
    assert "cannot be read" in trouble
    (tmp_path / "away").rename(secret)
    await there.directory.refresh()
    assert there.link("acme").host == "elsewhere"
    assert not there.directory.trouble()


async def test_a_name_that_the_configuration_has_too_is_the_configurations_here(
    here: Gateway, store: Store, tmp_path: Path
) -> None:
    other = Gateway(store, tmp_path / "data")
    other.directory.own.clear()
    await other.verbs.apply(folder(a={"own": carrier()}))
    await here.directory.refresh()
    assert here.directory.carriers["own"] == OWN["own"]
    assert (
        "the carrier own stands in the configuration of this node and in the database"
        in (here.directory.trouble()[0])
    )


def test_the_environment_is_the_processs_own_unless_told_otherwise(sqlite_store: Store) -> None:
    assert CarrierDirectory({}, store=sqlite_store, sealer=SEALER).environment is os.environ
