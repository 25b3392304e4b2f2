"""R27: seeded secrets, a text and a telephone number, searched for in everything that a node says."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest
from aiohttp import web

from tests.support.load import TARGET, post
from tests.support.node import Node, environment, free_ports
from tests.support.postgres import Postgres
from tests.support.promises import Report
from tests.support.receiver import Received, Receiver, agree

pytestmark = [pytest.mark.wire, pytest.mark.promise("R27")]

DATABASE_PASSWORD = "canary-database"
LINK_PASSWORD, WRONG_PASSWORD = "cnrylink", "cnrywrng"
WEBHOOK_SECRET = "whsec_Y2FuYXJ5LW9mLWEtd2ViaG9vay1zZWNyZXQtMDE="
WEBHOOK_TOKEN = "canary-webhook-token"
TEXT = "canary text that nobody but its reader sees"
TAG = "canary-tag"
NUMBER = "+12065559876"
ANSWERING = "+12065550107"


MISTAKES: Final = (
    ("ALTER TABLE bodies RENAME TO hidden", "ALTER TABLE hidden RENAME TO bodies"),
    (
        "ALTER TABLE interactions ADD CONSTRAINT wrong CHECK (own = '') NOT VALID",
        "ALTER TABLE interactions DROP CONSTRAINT wrong",
    ),
    (
        "ALTER TABLE bodies ADD CONSTRAINT wrong CHECK (expires = 0) NOT VALID",
        "ALTER TABLE bodies DROP CONSTRAINT wrong",
    ),
)


class Canaries:
    """What must not be found, by what it is."""

    def __init__(self, secrets: Mapping[str, str], private: Mapping[str, str]) -> None:
        self.secrets = dict(secrets)
        self.private = dict(private)

    def found_in(self, said: str, *, private: bool = False) -> list[str]:
        """Return what stands in a text; `private` looks for texts and numbers too."""
        wanted = self.secrets | (self.private if private else {})
        return [name for name, value in wanted.items() if value in said]


async def test_no_secret_text_or_number_is_told_to_anybody(
    tmp_path: Path, postgres: Postgres, promise: Report
) -> None:
    database = postgres.create()
    (nobody,) = free_ports(1)
    running = Node(
        tmp_path / "var",
        "log.level=debug",
        f"database=postgresql://postgres@127.0.0.1:{postgres.port}/{database}",
        f"database_password={DATABASE_PASSWORD}",
        "simulated.enabled=true",
        f"simulated.accounts.canary.password={LINK_PASSWORD}",
        *_carrier("bad", f"127.0.0.1:{nobody}", "canary", LINK_PASSWORD),
    )
    running.command += _flags(_carrier("wrong", f"127.0.0.1:{running.smsc_port}", "canary", WRONG_PASSWORD))
    async with Receiver(_reluctant) as receiver:
        running.command += _flags([f'outbound.allow=["127.0.0.1:{receiver.port}"]'])
        running.data.mkdir()
        (running.data / "welcomed").touch()  # what a first start shows is for whoever gave the command
        await asyncio.to_thread(running.start_unready)
        try:
            await asyncio.to_thread(running.wait_for_output, "Tandem is ready")
            answers = await _provoke(running, receiver, postgres, database)
            metrics, health = await asyncio.to_thread(_monitored, running)
            canaries = _canaries(running)
        finally:
            await asyncio.to_thread(running.stop)
            postgres.drop(database)
    shown = await asyncio.to_thread(_config_show, running)
    logs = _logs(running)
    for event in ("http.refused", "http.failed", "smpp.link_down", "events.subscribed"):
        assert f'"{event}"' in logs, f"{event} was not provoked"
    assert '"status":500' in logs.replace(" ", "")
    places = {"logs": (logs, True), "metrics": (metrics, True), "health": (health, True)}
    places |= {"settings": (shown, False), "answers": ("\n".join(answers), False)}
    hits = {place: canaries.found_in(said, private=private) for place, (said, private) in places.items()}
    assert not any(hits.values()), hits
    promise(
        canaries=len(canaries.secrets) + len(canaries.private),
        log_lines=len(logs.splitlines()),
        answers=len(answers),
        hits=0,
    )


async def test_a_start_that_waits_or_fails_names_no_password(tmp_path: Path) -> None:
    (nobody,) = free_ports(1)
    settings = [
        f"database=postgresql://tandem:{DATABASE_PASSWORD}@127.0.0.1:{nobody}/tandem",
        f"simulated.accounts.canary.password={LINK_PASSWORD}",
        f"data={tmp_path}",
    ]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tandem", "gateway", *_flags(settings)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment(),
    )
    assert process.stdout is not None
    said = b""
    async with asyncio.timeout(30):
        while b"gateway.waits" not in said:
            said += await process.stdout.readline()
        process.terminate()
        said += await process.stdout.read()
        assert await process.wait() == 0
    assert DATABASE_PASSWORD.encode() not in said
    assert LINK_PASSWORD.encode() not in said


def _carrier(name: str, place: str, system_id: str, password: str) -> list[str]:
    host, _, port = place.partition(":")
    link = f"carriers.{name}.smpp.{name}-1"
    return [
        f"{link}.host={host}",
        f"{link}.port={port}",
        f"{link}.system_id={system_id}",
        f"{link}.password={password}",
    ]


def _flags(settings: list[str]) -> list[str]:
    return [flag for setting in settings for flag in ("--set", setting)]


async def _reluctant(received: Received) -> web.StreamResponse:
    """Agree to be told, and then fail in turn in each way that an endpoint can."""
    return agree(received) or web.Response(status=500, text=f"{TEXT} {NUMBER}")


async def _provoke(running: Node, receiver: Receiver, postgres: Postgres, database: str) -> list[str]:
    """Make every part of the node say something; return what the API answered."""
    answers: list[Any] = []
    resource = await asyncio.to_thread(running.resource)
    new = {
        "name": "canary",
        "url": f"{receiver.url}?code={WEBHOOK_TOKEN}",
        "secret": WEBHOOK_SECRET,
    }
    path = f"/admin/resources/{resource}/subscriptions"
    await asyncio.to_thread(running.admin, path, "POST", new)  # the one answer that tells the secret
    answers += [
        await asyncio.to_thread(running.admin, each) for each in (path, "/admin/resources", "/admin/links")
    ]
    good = _request([NUMBER, ANSWERING, "+12065550101", "+12065550102"], TEXT)
    good["from"] = running.number
    async with aiohttp.ClientSession() as session:
        wrong = [
            good,
            {**good, "from": NUMBER},
            {**good, "message": TEXT + "x" * 3000},
            {**good, "smsSendOptions": {"tag": TAG}},
            {**good, "smsRecipients": [{"to": NUMBER[1:]}]},
            {**good, "smsRecipients": [{"to": NUMBER, "repeatabilityRequestId": TAG}]},
            {**good, "message": {TEXT: NUMBER}},
            [TEXT, NUMBER],
        ]
        answers += [(await post(session, running, body)).body for body in wrong]
        answers.append(await _raw(session, running, {"Authorization": f"Bearer {WEBHOOK_TOKEN}"}))
        answers.append(await _raw(session, running, {"x-ms-date": "now", "Authorization": "HMAC-SHA256 x"}))
        async with asyncio.timeout(30):
            while len(receiver.notifications) < 3:
                await asyncio.sleep(0.01)
        # Mistakes of ours: a handler that fails in the middle of its work, with all of it in its hands, and a
        # database that quotes the row that it does not take.
        with postgres.connect(database) as connection:
            for broken, mended in MISTAKES:
                connection.execute(broken)
                answers.append((await post(session, running, good)).body)
                connection.execute(mended)
                assert answers[-1]["error"]["code"] == "InternalServerError"
    return [json.dumps(answer, ensure_ascii=False) for answer in answers]


def _request(recipients: list[str], text: str) -> dict[str, Any]:
    return {
        "smsRecipients": [{"to": each} for each in recipients],
        "message": text,
        "smsSendOptions": {"enableDeliveryReport": True, "tag": TAG},
    }


async def _raw(session: aiohttp.ClientSession, running: Node, headers: Mapping[str, str]) -> Any:
    body = json.dumps({"message": TEXT, "from": NUMBER}).encode()
    url = f"https://{running.authority}{TARGET}&number={NUMBER}"
    async with session.post(url, data=body, headers=headers, ssl=running.tls) as answer:
        assert answer.status == 401
        return await answer.json()


def _monitored(running: Node) -> tuple[str, str]:
    health = running.health()
    assert "link wrong-1 is not bound" in health["trouble"]
    return "\n".join(running.metrics()), json.dumps(health)


def _canaries(running: Node) -> Canaries:
    secrets = {
        "database password": DATABASE_PASSWORD,
        "link password": LINK_PASSWORD,
        "wrong link password": WRONG_PASSWORD,
        "webhook secret": WEBHOOK_SECRET.removeprefix("whsec_"),
        "token in a webhook's URL": WEBHOOK_TOKEN,
        "access key": running.connection_string.rpartition("accesskey=")[2],
        "administration key": (running.data / "admin-key").read_text().strip(),
        "master key": (running.data / "master-key").read_text().strip(),
    }
    assert all(secrets.values())
    digits = {"number": NUMBER[1:], "answering number": ANSWERING[1:], "own number": running.number[1:]}
    texts = {"text": TEXT, "tag": TAG, "text in hexadecimal": TEXT[:16].encode().hex()}
    return Canaries(secrets, texts | digits)


def _config_show(running: Node) -> str:
    shown = subprocess.run(
        [*running.command[:3], "config", "show", *running.command[4:]],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env=environment(),
    ).stdout
    assert re.search(r"^database_password = \"\*\*\*\"", shown, re.MULTILINE), shown
    return shown


def _logs(running: Node) -> str:
    """Return what the node wrote, but for what a start prints for whoever gave the command."""
    before, _, after = running.output.partition("Tandem is ready.")
    _, end, rest = after.partition("enable_delivery_report=True)")
    assert end
    # Both streams are one file here: lines of the log may stand between those of the greeting.
    between = "\n".join(line for line in after.splitlines() if line.startswith("{"))
    return "\n".join((before, between, rest))
