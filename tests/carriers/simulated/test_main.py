"""The carrier as a service and as a process."""

import asyncio
import signal
import socket
import sys
from pathlib import Path

import pytest

from carriers.simulated.journal import read
from carriers.simulated.main import serve
from carriers.simulated.settings import SimulatedAccount, SimulatedSettings
from sms.smpp.pdu import Unbind
from telephony.kernel.errors import ConfigurationError
from telephony.kernel.secret import Secret
from tests.support.esme import PATIENCE, bound

pytestmark = pytest.mark.wire

ACCOUNTS = {"tandem": SimulatedAccount(password=Secret("secret"))}

PROCESS = """
import sys
from carriers.simulated.main import run
from carriers.simulated.settings import SimulatedAccount, SimulatedSettings
from telephony.kernel.secret import Secret
accounts = {"tandem": SimulatedAccount(password=Secret("secret"))}
settings = SimulatedSettings(port=0, accounts=accounts, journal=sys.argv[1])
run(settings, ready=lambda port: print("port", port, flush=True))
"""


async def test_it_serves_until_it_is_stopped_and_unbinds_everybody(tmp_path: Path) -> None:
    ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    configured = SimulatedSettings(
        port=0, control_port=0, accounts=ACCOUNTS, journal=str(tmp_path / "journal")
    )
    task = asyncio.create_task(serve(configured, ready=ready.set_result, stop=stop))
    async with bound(await ready) as esme:
        stop.set()
        assert isinstance((await esme.next()).pdu, Unbind)
    await asyncio.wait_for(task, PATIENCE)
    assert [entry.kind for entry in read(tmp_path / "journal")] == ["bound", "unbound"]


async def test_a_taken_port_and_an_unwritable_journal_are_configuration_errors(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for wrong, words in (
            (SimulatedSettings(port=port), f"port: cannot listen on 127.0.0.1:{port}"),
            (SimulatedSettings(port=0, control_port=port), f"control_port: cannot listen on {port}"),
            (SimulatedSettings(port=0, journal=str(tmp_path)), "journal: cannot append to"),
        ):
            with pytest.raises(ConfigurationError, match=words):
                await serve(wrong, ready=lambda _port: None)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_the_process_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    journal = tmp_path / "journal"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROCESS, str(journal), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        port = 0
        async with asyncio.timeout(20):
            async for line in process.stdout:
                if line.startswith(b"port "):
                    port = int(line.split()[1])
                    break
        async with bound(port) as esme:
            process.send_signal(number)
            assert isinstance((await esme.next()).pdu, Unbind)
        async with asyncio.timeout(PATIENCE):
            await process.stdout.read()
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert [entry.kind for entry in read(journal)] == ["bound", "unbound"]
