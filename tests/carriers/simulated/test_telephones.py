"""The carrier's telephones, used by the control interface: two carriers call each other."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from carriers.simulated.main import serve
from carriers.simulated.settings import SimulatedAccount, SimulatedSettings
from telephony.kernel.secret import Secret

pytestmark = pytest.mark.wire

ACCOUNTS = {"one": SimulatedAccount(password=Secret("one"))}


async def ask(path: Path, method: str, target: str, body: Any = None) -> tuple[int, Any]:
    connector = aiohttp.UnixConnector(str(path))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.request(method, f"http://localhost{target}", json=body) as answer,
    ):
        return answer.status, await answer.json()


async def running(settings: SimulatedSettings) -> asyncio.Task[None]:
    ready = asyncio.Event()
    task = asyncio.create_task(serve(settings, ready=lambda _port: ready.set()))
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait((task, waiting), return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    return task


@pytest.fixture
async def carriers(tmp_path: Path) -> AsyncIterator[tuple[Path, Path]]:
    """Two carriers; the first one's telephones call the second one's."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        held.bind(("127.0.0.1", 0))
        port = int(held.getsockname()[1])
    paths = (tmp_path / "caller", tmp_path / "called")
    called = SimulatedSettings(port=0, accounts=ACCOUNTS, sip_port=port, control_socket=str(paths[1]))
    caller = SimulatedSettings(
        port=0,
        accounts=ACCOUNTS,
        sip_port=0,
        sip_node=f"127.0.0.1:{port}",
        control_socket=str(paths[0]),
    )
    tasks = [await running(called), await running(caller)]
    yield paths
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_telephone_calls_hears_itself_and_is_told_of_on_both_sides(
    carriers: tuple[Path, Path],
) -> None:
    caller, called = carriers
    status, told = await ask(
        caller, "POST", "/calls", {"to": "+12065550121", "hertz": 1000, "seconds": 0.8, "digits": "12"}
    )
    assert (status, told["status"], told["state"]) == (200, 200, "up")
    assert abs(told["heardHertz"] - 1000) <= 25
    assert told["heardDbm0"] > -15
    _, seen = await ask(called, "GET", "/calls")
    assert [(each["number"], each["digits"]) for each in seen["value"]] == [("+12065550121", "12")]


async def test_what_refuses_is_told_with_its_status(carriers: tuple[Path, Path]) -> None:
    status, told = await ask(carriers[0], "POST", "/calls", {"to": "+12065550123"})
    assert (status, told["state"], told["status"]) == (200, "over", 486)


@pytest.mark.parametrize("body", [{}, {"to": "nobody"}, {"to": "1", "hertz": 1}, {"to": "1", "seconds": 0}])
async def test_what_is_no_call_is_refused(carriers: tuple[Path, Path], body: dict[str, Any]) -> None:
    status, _ = await ask(carriers[0], "POST", "/calls", body)
    assert status == 400


async def test_the_socket_is_its_users_alone(carriers: tuple[Path, Path]) -> None:
    assert carriers[0].stat().st_mode & 0o777 == 0o600
