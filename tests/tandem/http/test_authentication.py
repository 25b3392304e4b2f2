"""Users' tokens at the door: what a route asks of them."""

from pathlib import Path
from typing import Any

import pytest

from telephony.kernel.errors import Unavailable
from telephony.kernel.http.route import Auth, Reply, Request, Route, UserToken
from telephony.kernel.ids import ResourceId
from tests.support.http import House, house

pytestmark = pytest.mark.wire


async def seen(request: Request[Any]) -> Reply:
    token = request.token
    assert token is not None
    return Reply(200, {"user": request.user, "scopes": token.scopes, "resource": request.resource.hex()})


ROUTES = [
    Route("any", "GET", "/any", seen, Auth.USER),
    Route("chat", "GET", "/chat", seen, Auth.USER, scopes=("chat", "chat.join")),
]


async def users(resource: ResourceId, token: str) -> UserToken | None:
    """Take `scope,scope@resource` for a token."""
    if token == "away":
        raise Unavailable("The database is away; try again.")
    scopes, _, owner = token.partition("@")
    return UserToken("8:acs:x_y", tuple(scopes.split(",")), 0, 1) if owner == resource.hex() else None


async def asked(home: House, path: str, token: str) -> tuple[int, Any]:
    answer = await home.ask("GET", path, headers={"Authorization": f"Bearer {token}"})
    return answer.status, answer.json


async def test_a_route_gets_the_token_and_asks_for_one_of_its_scopes(tmp_path: Path) -> None:
    async with house(ROUTES, tmp_path, users=users) as home:
        own = home.one.id.hex()
        status, said = await asked(home, "/any", f"voip@{own}")
        assert (status, said) == (200, {"user": "8:acs:x_y", "scopes": ["voip"], "resource": own})
        assert (await asked(home, "/chat", f"voip,chat.join@{own}"))[0] == 200
        status, said = await asked(home, "/chat", f"voip,voip.join@{own}")
        assert (status, said["error"]["code"]) == (403, "Forbidden")
        assert said["error"]["message"] == "This needs a token with the scope chat or chat.join."
        assert (await asked(home, "/any", f"voip@{home.other.id.hex()}"))[0] == 401
        # When nobody can tell, nobody gets in.
        status, said = await asked(home, "/any", "away")
        assert (status, said["error"]["code"]) == (503, "ServiceUnavailable")
        for scheme in ("bearer", "BEARER"):
            answer = await home.ask("GET", "/any", headers={"Authorization": f"{scheme} voip@{own}"})
            assert answer.status == 200
        for wrong in ("Bearer", "Bearer ", f"voip@{own}", f"Basic voip@{own}"):
            assert (await home.ask("GET", "/any", headers={"Authorization": wrong})).status == 401


async def test_the_token_of_a_user_counts_against_the_limits_of_its_resource(tmp_path: Path) -> None:
    async with house(ROUTES, tmp_path, users=users) as home:
        gate = home.application._gate
        entered: list[bytes] = []
        enter = gate.enter

        def noted(resource: ResourceId, now: float) -> None:
            entered.append(resource)
            enter(resource, now)

        gate.enter = noted  # type: ignore[method-assign]
        await asked(home, "/any", f"voip@{home.one.id.hex()}")
        await asked(home, "/any", "nobody's")
        assert entered == [home.one.id]
