"""The endpoint that docs/how-to/webhooks.md shows does what the page says."""

import asyncio
import re
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

pytestmark = pytest.mark.wire

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "webhooks.md"


async def test_the_endpoint_agrees_and_takes_events(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None
    run: list[web.Application] = []
    monkeypatch.setattr(web, "run_app", lambda app, **_: run.append(app))
    names: dict[str, Any] = {}
    exec(compile(dedent(found[1]), str(PAGE), "exec"), names)
    (app,) = run
    event = {"type": "Microsoft.Communication.SMSReceived", "data": {"message": "Hi"}}
    async with asyncio.timeout(10), TestServer(app) as server, ClientSession() as client:
        url = server.make_url("/events")
        async with client.options(url, headers={"WebHook-Request-Origin": "tandem.example"}) as answer:
            assert answer.headers["WebHook-Allowed-Origin"] == "tandem.example"
        kind = {"Content-Type": "application/cloudevents+json"}
        async with client.post(url, json=event, headers=kind) as answer:
            assert answer.status == 200
    assert "SMSReceived {'message': 'Hi'}" in capsys.readouterr().out
