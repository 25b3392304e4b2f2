"""The trusted service of the documentation, against a gateway: from a person's password to a token."""

import importlib.util
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from telephony.resources.access_key import connection_string
from tests.support.http import Answer
from tests.support.inside import Inside, inside

pytestmark = [pytest.mark.peer, pytest.mark.asyncio(loop_scope="module")]

SERVICE = Path(__file__).parents[3] / "docs" / "examples" / "trusted_service" / "service.py"


@dataclass(frozen=True, slots=True)
class Scene:
    """A gateway, the service before it, and a browser."""

    home: Inside
    browser: aiohttp.ClientSession
    people: Path
    module: Any

    async def post(self, path: str, cookie: str = "", **form: str) -> tuple[int, str, str]:
        """Return status, body and session cookie of an answer."""
        headers = {"Cookie": f"session={cookie}"} if cookie else {}
        async with self.browser.post(path, data=form, headers=headers) as answer:
            morsel = answer.cookies.get("session")
            if morsel is not None and morsel.value:
                assert morsel["httponly"]
                assert morsel["secure"]
                assert morsel["samesite"] == "Strict"
            return answer.status, await answer.text(), "" if morsel is None else morsel.value

    async def log_in(self, name: str, password: str) -> str:
        status, _, cookie = await self.post("/login", name=name, password=password)
        assert status == 200
        return cookie

    async def token(self, cookie: str) -> dict[str, str]:
        status, body, _ = await self.post("/token", cookie)
        assert status == 200, body
        found: dict[str, str] = json.loads(body)
        return found

    async def me(self, token: str) -> Answer:
        return await self.home.ask("GET", "/identity/me", b"", {"Authorization": f"Bearer {token}"})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    folder = tmp_path_factory.mktemp("trusted")
    spec = importlib.util.spec_from_file_location("trusted_service", SERVICE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.SCRYPT["n"] = 2**4  # a guess shall be cheap here
    path = folder / "people.json"
    people = module.People(path)
    for name in ("sally", "bob", "carol", "dave", "erin"):
        people.put(name, module.Person.with_password(f"{name}'s password"))
    async with inside(folder / "var") as home:
        text = connection_string(home.one.authority, home.one.key).reveal()
        app = await module.build(people, text, str(folder / "var" / "ca.pem"))
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        assert site.name
        address = runner.addresses[0]
        jar = aiohttp.DummyCookieJar()
        base = f"http://{address[0]}:{address[1]}"
        async with aiohttp.ClientSession(base, cookie_jar=jar) as browser:
            yield Scene(home, browser, path, module)
        await runner.cleanup()


async def test_a_password_becomes_a_token_of_ones_own_user(scene: Scene) -> None:
    cookie = await scene.log_in("sally", "sally's password")
    first, second = await scene.token(cookie), await scene.token(cookie)
    others = await scene.token(await scene.log_in("bob", "bob's password"))
    assert first["userId"] == second["userId"] != others["userId"]
    said = (await scene.me(first["token"])).json
    assert (said["id"], said["scopes"]) == (first["userId"], ["chat", "voip"])
    assert said["expiresOn"] == first["expiresOn"]
    kept = json.loads(scene.people.read_text())
    assert kept["sally"]["user"] == first["userId"]
    assert scene.people.stat().st_mode & 0o077 == 0
    assert "password" not in scene.people.read_text()


async def test_nobody_else_gets_one_and_no_answer_holds_the_connection_string(scene: Scene) -> None:
    refusals = [
        await scene.post("/login", name="sally", password="guess"),
        await scene.post("/login", name="nobody", password="guess"),
        await scene.post("/login"),
        await scene.post("/token"),
        await scene.post("/token", "a-session-that-there-is-not"),
        await scene.post("/logout"),
    ]
    assert {status for status, _, _ in refusals} == {401}
    assert len({body for _, body, _ in refusals[:3]}) == 1
    cookie = await scene.log_in("sally", "sally's password")
    said = json.dumps([refusals, await scene.token(cookie)])
    async with scene.browser.get("/") as page:
        said += await page.text()
    for secret in ("accesskey", "endpoint="):
        assert secret not in said


async def test_guessing_has_to_wait(scene: Scene) -> None:
    for _ in range(scene.module.MAX_TRIES):
        assert (await scene.post("/login", name="carol", password="guess"))[0] == 401
    assert (await scene.post("/login", name="carol", password="carol's password"))[0] == 429
    await scene.log_in("bob", "bob's password")


async def test_logging_out_ends_the_session_and_its_tokens(scene: Scene) -> None:
    cookie = await scene.log_in("dave", "dave's password")
    token = (await scene.token(cookie))["token"]
    assert (await scene.me(token)).status == 200
    assert (await scene.post("/logout", cookie))[0] == 204
    assert (await scene.me(token)).status == 401
    assert (await scene.post("/token", cookie))[0] == 401


async def test_a_person_whose_user_was_deleted_gets_another(scene: Scene) -> None:
    cookie = await scene.log_in("erin", "erin's password")
    first = await scene.token(cookie)
    target = f"/identities/{first['userId'].replace(':', '%3A')}?api-version=2023-10-01"
    assert (await scene.home.sign_and_ask("DELETE", target)).status == 204
    second = await scene.token(cookie)
    assert second["userId"] != first["userId"]
    assert (await scene.me(second["token"])).status == 200
