"""The routes in memory follow the database."""

import msgspec
import pytest

from telephony.kernel.e164 import E164
from telephony.kernel.errors import Unavailable
from telephony.kernel.ids import ResourceId, new_id
from telephony.kernel.store import Store
from telephony.resources.audit import Actor, ActorKind, AuditSettings
from telephony.routing.sip_configuration import validation
from telephony.routing.sip_configuration.directory import SipDirectory
from telephony.routing.sip_configuration.ports import Unwatched
from telephony.routing.sip_configuration.verbs import SipRouting
from telephony.routing.sip_configuration.wire import SipConfigurationUpdate
from tests.support.clock import START, ManualClock

pytestmark = pytest.mark.wire

ONE = ResourceId(new_id(START))
ACTOR = Actor(ActorKind.RESOURCE, ONE)
NUMBER = E164("+14255550100")
SBC = "sbc.contoso.com"


def update(port: int, pattern: str = r"^\+1") -> SipConfigurationUpdate:
    patch = {
        "trunks": {SBC: {"sipSignalingPort": port}},
        "routes": [{"name": "all", "numberPattern": pattern, "trunks": [SBC]}],
    }
    return msgspec.convert(patch, SipConfigurationUpdate)


def verbs(store: Store) -> SipRouting:
    return SipRouting(store, ManualClock(), SipDirectory(store), Unwatched(), AuditSettings())


def port(directory: SipDirectory) -> int | None:
    """Return the port that a call goes to, None when no trunk takes it."""
    choice = directory.choose(ONE, NUMBER)
    assert choice is not None
    return choice.trunks[0].trunk.sip_signaling_port if choice.trunks else None


async def test_what_another_gateway_changed_is_in_force_after_a_refresh(store: Store) -> None:
    elsewhere, directory = verbs(store), SipDirectory(store)
    await elsewhere.update(ONE, update(5061), ACTOR)
    await directory.refresh()
    assert port(directory) is None
    await elsewhere.enable(ONE, SBC)
    await directory.refresh()
    assert port(directory) == 5061
    await elsewhere.update(ONE, update(7), ACTOR)
    await directory.refresh()
    assert port(directory) == 7
    await elsewhere.disable(ONE, SBC)
    await directory.refresh()
    assert port(directory) is None
    await elsewhere.update(ONE, update(7, r"^\+49"), ACTOR)
    await directory.refresh()
    assert directory.choose(ONE, NUMBER) is None


async def test_routes_that_cannot_be_used_any_more_are_told_and_the_last_ones_stay(
    sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    sip, directory = verbs(sqlite_store), SipDirectory(sqlite_store)
    await sip.enable(ONE, SBC)
    await sip.update(ONE, update(1), ACTOR)
    await directory.refresh()
    await sip.update(ONE, update(2), ACTOR)
    with monkeypatch.context() as other_release:
        other_release.setattr(validation, "MAX_PROGRAMS", 1)
        await directory.refresh()
        (trouble,) = directory.trouble()
        assert "cannot be used" in trouble
        assert port(directory) == 1
    await sip.update(ONE, update(3), ACTOR)
    await directory.refresh()
    assert directory.trouble() == []
    assert port(directory) == 3


async def test_a_change_stands_when_this_gateway_cannot_follow_at_once(
    sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = SipDirectory(sqlite_store)
    sip = SipRouting(sqlite_store, ManualClock(), directory, Unwatched(), AuditSettings())

    async def away() -> None:
        raise Unavailable("away")

    with monkeypatch.context() as now:
        now.setattr(directory, "refresh", away)
        await sip.update(ONE, update(5061), ACTOR)
    assert list((await sip.get(ONE)).trunks) == [SBC]
    assert directory.choose(ONE, NUMBER) is None
    await directory.refresh()
    assert directory.choose(ONE, NUMBER) is not None
