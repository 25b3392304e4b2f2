"""A trusted service: logs a person in and hands out a token of Tandem's.

The connection string stays here. A browser gets a session cookie for its password, and for the cookie a token
that lives an hour; it can do with that what the token's scopes allow, as that one user, and nothing else.

    python service.py add sally     asks for a password and writes people.json
    python service.py run           serves on http://127.0.0.1:8080
"""

import asyncio
import base64
import getpass
import hashlib
import hmac
import json
import os
import secrets
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

from aiohttp import web
from azure.communication.identity import CommunicationUserIdentifier
from azure.communication.identity.aio import CommunicationIdentityClient
from azure.core.exceptions import ResourceNotFoundError

SCOPES = ["chat", "voip"]
TOKEN_LIFE = timedelta(minutes=60)
SESSION_SECONDS = 12 * 3600
MAX_TRIES = 5
"""Wrong passwords for one name before it has to wait."""
WAIT_SECONDS = 60.0
MAX_NAMES = 10_000
"""Names with wrong passwords that are remembered before the old ones are forgotten."""
SCRYPT = {"n": 2**14, "r": 8, "p": 5}
"""The cost of a guess: 16 MB and some 100 ms (OWASP's password storage recommendations)."""

COOKIE = "session"
PAGE = Path(__file__).with_name("page.html")


@dataclass
class Person:
    """Somebody who may log in: a salted hash of the password, and the user that was made for this person."""

    salt: str
    hash: str
    user: str = ""

    @classmethod
    def with_password(cls, password: str) -> "Person":
        """Return somebody new."""
        salt = os.urandom(16)
        return cls(_text(salt), _text(_hash(password, salt)))

    def knows(self, password: str) -> bool:
        """Tell whether the password is this person's."""
        return hmac.compare_digest(_hash(password, base64.b64decode(self.salt)), base64.b64decode(self.hash))


class People:
    """Who may log in, in a file that only its owner reads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        found = json.loads(path.read_text()) if path.exists() else {}
        self._people = {name: Person(**fields) for name, fields in found.items()}

    def get(self, name: str) -> Person | None:
        """Return a person."""
        return self._people.get(name)

    def put(self, name: str, person: Person) -> None:
        """Add or change a person."""
        self._people[name] = person
        text = json.dumps({name: asdict(each) for name, each in self._people.items()}, indent=1)
        fresh = self._path.with_suffix(".new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
        fresh.replace(self._path)


class Service:
    """The four requests of a browser: the page, log in, a token, log out."""

    def __init__(self, people: People, client: CommunicationIdentityClient) -> None:
        self._people, self._client = people, client
        self._sessions: dict[str, tuple[str, float]] = {}
        self._wrong: dict[str, list[float]] = {}
        self._making = asyncio.Lock()
        self._nobody = Person.with_password(secrets.token_urlsafe())

    def application(self) -> web.Application:
        """Return what aiohttp serves."""
        app = web.Application(client_max_size=4096)
        app.add_routes(
            [
                web.get("/", self.page),
                web.post("/login", self.login),
                web.post("/token", self.token),
                web.post("/logout", self.logout),
            ]
        )
        app.cleanup_ctx.append(self._closing)
        return app

    async def page(self, _request: web.Request) -> web.Response:
        """Show the form."""
        return web.Response(text=PAGE.read_text(), content_type="text/html")

    async def login(self, request: web.Request) -> web.Response:
        """Take name and password of a form; answer with a session."""
        form = await request.post()
        name, password = str(form.get("name", ""))[:64], str(form.get("password", ""))[:1024]
        now = time.monotonic()
        tries = [at for at in self._wrong.get(name, ()) if now - at < WAIT_SECONDS]
        if len(tries) >= MAX_TRIES:
            raise web.HTTPTooManyRequests(headers={"Retry-After": str(int(WAIT_SECONDS))})
        person = self._people.get(name)
        # An unknown name costs what a wrong password costs.
        right = await asyncio.to_thread((person or self._nobody).knows, password)
        if person is None or not right:
            if len(self._wrong) > MAX_NAMES:
                self._wrong = {each: at for each, at in self._wrong.items() if now - at[-1] < WAIT_SECONDS}
            self._wrong[name] = [*tries, now]
            raise web.HTTPUnauthorized(text="The name or the password is wrong.")
        self._wrong.pop(name, None)
        session = secrets.token_urlsafe(32)
        self._sessions[session] = name, now + SESSION_SECONDS
        answer = web.json_response({"name": name})
        # No script reads it, and no other site's page sends it.
        answer.set_cookie(
            COOKIE, session, max_age=SESSION_SECONDS, secure=True, httponly=True, samesite="Strict"
        )
        return answer

    async def token(self, request: web.Request) -> web.Response:
        """Give whoever has logged in a token."""
        name, person = self._person(request)
        for _ in range(2):
            user = await self._user(name, person)
            try:
                issued = await self._client.get_token(user, SCOPES, token_expires_in=TOKEN_LIFE)
            except ResourceNotFoundError:  # somebody deleted the user: this person gets another one
                person.user = ""
                continue
            body = {"userId": person.user, "token": issued.token, "expiresOn": str(issued.expires_on)}
            return web.json_response(body, headers={"Cache-Control": "no-store"})
        raise web.HTTPServiceUnavailable

    async def logout(self, request: web.Request) -> web.Response:
        """End the session, and every token of this person's."""
        _, person = self._person(request)
        if person.user:
            await self._client.revoke_tokens(CommunicationUserIdentifier(person.user))
        self._sessions.pop(request.cookies[COOKIE], None)
        answer = web.Response(status=204)
        answer.del_cookie(COOKIE)
        return answer

    async def _user(self, name: str, person: Person) -> CommunicationUserIdentifier:
        """Return a person's user, which is made the first time."""
        async with self._making:  # two tabs at once make one
            if not person.user:
                made = await self._client.create_user()
                person.user = made.raw_id
                self._people.put(name, person)
        return CommunicationUserIdentifier(person.user)

    def _person(self, request: web.Request) -> tuple[str, Person]:
        now = time.monotonic()
        self._sessions = {key: each for key, each in self._sessions.items() if each[1] > now}
        session = self._sessions.get(request.cookies.get(COOKIE, ""))
        person = None if session is None else self._people.get(session[0])
        if session is None or person is None:
            raise web.HTTPUnauthorized(text="Log in first.")
        return session[0], person

    async def _closing(self, _app: web.Application) -> AsyncIterator[None]:
        yield
        await self._client.close()


def _hash(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, maxmem=2**26, **SCRYPT)


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


async def build(people: People, connection_string: str, ca: str | None = None) -> web.Application:
    """Return the service; `ca` is the file of the authority to trust, when it is not the system's."""
    trust = {"connection_verify": ca} if ca else {}
    client = CommunicationIdentityClient.from_connection_string(connection_string, **trust)
    return Service(people, client).application()


def main(arguments: list[str]) -> None:
    """Run the command line."""
    people = People(Path(os.environ.get("PEOPLE", "people.json")))
    match arguments:
        case ["add", name]:
            people.put(name, Person.with_password(getpass.getpass()))
        case ["run"]:
            connection_string = Path(os.environ["CONNECTION_STRING_FILE"]).read_text().strip()
            port = int(os.environ.get("PORT", "8080"))
            app = build(people, connection_string, os.environ.get("CA"))
            web.run_app(app, host="127.0.0.1", port=port)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
