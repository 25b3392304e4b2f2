"""What a wrong configuration gets from the real commands: where, which key, what would be right."""

import asyncio
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tandem.supervisor.spec import EXIT_CONFIGURATION
from telephony.kernel.errors import ConfigurationError
from tests.support.inside import inside
from tests.support.node import environment
from tests.support.postgres import Postgres
from tests.support.promises import Report

pytestmark = [pytest.mark.wire, pytest.mark.promise("Bad input")]

WRONG = """\
prot = 9443
host = 5

[log]
level = "loud"

[http]
connectons = 10

[carriers.acme.smpp.main]
host = "192.0.2.1"
system_id = "me"
window = 0
"""

COMPLAINTS = (
    "{file}:1: prot: no such key; did you mean port?",
    "{file}:2: host: expected a text, got 5",
    '{file}:5: log.level: expected one of "debug", "error", "info", "warning", got "loud"',
    "{file}:8: http.connectons: no such key; did you mean http.connections?",
    "{file}:13: carriers.acme.smpp.main.window: expected a whole number from 1 to 1000, got 0",
)


@dataclass(frozen=True)
class Said:
    """What a command came to."""

    status: int
    text: str


async def tandem(*arguments: str, variables: Mapping[str, str] | None = None) -> Said:
    """Run the command in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tandem", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**environment(), **(variables or {})},
    )
    async with asyncio.timeout(60):
        output, _ = await process.communicate()
    assert process.returncode is not None
    return Said(process.returncode, output.decode())


async def test_a_wrong_file_or_variable_is_told_line_by_line(tmp_path: Path, promise: Report) -> None:
    wrong, broken = tmp_path / "wrong.toml", tmp_path / "broken.toml"
    wrong.write_text(WRONG)
    broken.write_text("port = \n")
    in_file, no_toml, by_variable = await asyncio.gather(
        tandem("run", "--config", str(wrong)),
        tandem("gateway", "--config", str(broken)),
        tandem("run", variables={"TANDEM_LOG__LEVEL": "loud", "TANDEM_PROT": "1"}),
    )
    assert in_file.text.splitlines() == [line.format(file=wrong) for line in COMPLAINTS]
    assert f"{broken}: not TOML: Invalid value (at line 1, column 8)" in no_toml.text
    assert "TANDEM_LOG__LEVEL: log.level: expected one of" in by_variable.text
    assert "TANDEM_PROT: no such setting; did you mean TANDEM_PORT?" in by_variable.text
    for said in (in_file, no_toml, by_variable):
        assert said.status == EXIT_CONFIGURATION
        assert "Traceback" not in said.text
    promise(mistakes=len(COMPLAINTS) + 3, unexplained=0)


async def test_an_address_that_is_taken_ends_the_gateway_with_the_same_status(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = await tandem("gateway", "--set", f"data={tmp_path}", "--set", f"port={port}")
    assert said.status == EXIT_CONFIGURATION
    assert "process.misconfigured" in said.text
    assert (
        f"host, port: cannot listen on 127.0.0.1:{port}: Address already in use. Choose another" in said.text
    )
    assert "Traceback" not in said.text


async def test_what_only_a_start_finds_out_names_its_key_too(
    tmp_path: Path, postgres: Postgres, promise: Report
) -> None:
    open_key, short_key = tmp_path / "open-key", tmp_path / "short-key"
    for key, mode in ((open_key, 0o644), (short_key, 0o600)):
        key.write_text("x")
        key.chmod(mode)
    asked: dict[str, dict[str, str]] = {
        'database "nowhere" does not exist. Check address, name, user and password (database, ': {
            "database": postgres.url("nowhere").replace("+psycopg", "")
        },
        "data: the folder /proc/nowhere cannot be made": {"data": "/proc/nowhere"},
        f"{open_key}: others may read the master key; run chmod 600": {"master_key_file": str(open_key)},
        f"{short_key}: it must hold 32 bytes in Base64": {"master_key_file": str(short_key)},
        "they cannot be used as a certificate": dict.fromkeys(
            ("certificate", "certificate_key"), f"{tmp_path}/missing.pem"
        ),
    }
    for number, (wanted, settings) in enumerate(asked.items()):
        with pytest.raises(ConfigurationError) as refused:
            async with inside(tmp_path / str(number), **settings):
                pass
        assert wanted in refused.value.message
    promise(mistakes=len(asked), unexplained=0)
