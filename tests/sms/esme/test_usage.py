"""What accounts have and did: for /metrics, /health and those who look after them."""

import pytest
from prometheus_client import REGISTRY, generate_latest

from sms.esme import service
from sms.esme.usage import AccountUse
from sms.smpp.constants import CommandStatus
from sms.smpp.pdu import BindTransmitter, QuerySm
from telephony.kernel.store import Store
from tests.support.esme import bound
from tests.support.esmes import PASSWORD, SYSTEM_ID, Desk, desk, submit

pytestmark = pytest.mark.wire


async def use(at: Desk) -> AccountUse:
    return (await at.accounts.uses(at.plane.resource, [SYSTEM_ID]))[SYSTEM_ID]


async def test_an_account_is_counted_in_all_that_it_does(store: Store) -> None:
    async with desk(store) as at:
        await at.account(daily_quota=2)
        assert await use(at) == AccountUse(0, 0, 0, 0, 0, 0, 0, 0, 0)
        async with bound(at.port, SYSTEM_ID, PASSWORD) as esme:
            async with bound(at.port, SYSTEM_ID, "wrong", status=CommandStatus.ESME_RINVPASWD):
                pass
            for _ in range(3):
                await esme.submit(submit(registered_delivery=0))
            esme.send(QuerySm(message_id="x"))
            await esme.next()
            assert await use(at) == AccountUse(1, 3, 0, 1, 0, 1, 1, 2, 0)


async def test_what_waits_for_an_account_that_stays_away_is_told(
    sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(service, "ADOPT_SECONDS", 0.0)
    async with desk(sqlite_store) as at:
        await at.account()
        assert at.esmes.trouble() == []
        async with bound(at.port, SYSTEM_ID, PASSWORD, kind=BindTransmitter) as esme:
            await esme.submit(submit())
            await at.until_waiting(1)
        await at.until(lambda: bool(at.esmes.trouble()))
        assert at.esmes.trouble() == [f"smpp account {SYSTEM_ID} takes nothing, and messages wait for it"]
        assert (await use(at)).waiting == 1
        async with bound(at.port, SYSTEM_ID, PASSWORD) as esme:
            await esme.delivery()
            await at.until(lambda: not at.esmes.trouble())


async def test_metrics_name_accounts_that_bound_and_nobody_else(sqlite_store: Store) -> None:
    async with desk(sqlite_store) as at:
        await at.account("metered")
        async with bound(at.port, "guessed", PASSWORD, status=CommandStatus.ESME_RINVPASWD):
            pass
        async with bound(at.port, "metered", PASSWORD) as esme:
            await esme.submit(submit())
            await esme.delivery()
            text = generate_latest(REGISTRY).decode()
        assert 'tandem_smpp_account_binds{account="metered"} 1.0' in text
        assert 'tandem_smpp_account_submitted_total{account="metered"} 1.0' in text
        assert "guessed" not in text
