"""Azure's own packages for SIP routing, unmodified, with a connection string; and the CLI beside them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from azure.communication.phonenumbers.siprouting import SipRoutingClient, SipTrunk, SipTrunkRoute
from azure.communication.phonenumbers.siprouting.aio import SipRoutingClient as AsyncSipRoutingClient
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from typer.testing import CliRunner

from tandem.cli.app import assembled
from tests.support import javascript
from tests.support.node import Node, node

pytestmark = pytest.mark.peer

OUTER = "One or more request inputs are not valid."
FIRST, SECOND, THIRD = "sbc1.contoso.com", "sbc2.contoso.com", "sbc3.contoso.com"
APP = assembled(["sip-trunks"])


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    javascript.install()
    with node(tmp_path_factory.mktemp("node")) as running:
        yield running


@pytest.fixture
def client(running: Node) -> Iterator[SipRoutingClient]:
    """A client of a resource without trunks and routes."""
    with SipRoutingClient.from_connection_string(
        running.connection_string, connection_verify=str(running.ca), retry_total=0
    ) as client:
        client.set_routes([])
        client.set_trunks([])
        yield client


def trunk(fqdn: str, port: int = 5061) -> SipTrunk:
    return SipTrunk(fqdn=fqdn, sip_signaling_port=port)


def route(name: str, pattern: str = ".*", *trunks: str, description: str | None = None) -> SipTrunkRoute:
    return SipTrunkRoute(name=name, number_pattern=pattern, trunks=list(trunks), description=description)


def trunks(client: SipRoutingClient) -> list[tuple[str, int]]:
    return [(each.fqdn, each.sip_signaling_port) for each in client.list_trunks()]


def routes(client: SipRoutingClient) -> list[tuple[str, str, list[str]]]:
    return [(each.name, each.number_pattern, each.trunks) for each in client.list_routes()]


def inner(refused: pytest.ExceptionInfo[HttpResponseError]) -> tuple[int | None, str]:
    error = refused.value
    assert error.error is not None
    assert error.error.code == "UnprocessableConfiguration"
    assert error.error.message is not None
    assert error.error.message.startswith(OUTER)
    assert error.response is not None
    found = json.loads(error.response.text())["error"]["innererror"]
    assert found["message"]
    return error.status_code, found["code"]


def calls(running: Node, *listed: list[Any]) -> list[Any]:
    """Run calls one after another in a fresh process; return a result or an error for each."""
    return javascript.call(running, "sip.mjs", [running.connection_string], listed)


def said(running: Node, *arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(
        APP, ["sip-trunks", *arguments, "--data", str(running.data)], env={"COLUMNS": "200"}
    )
    assert result.exit_code == code, result.output
    return str(result.output)


def test_trunks_are_set_read_changed_and_deleted(client: SipRoutingClient) -> None:
    assert trunks(client) == []
    client.set_trunks([trunk(FIRST), trunk(SECOND, 5062)])
    client.set_trunk(trunk(THIRD, 65535))
    client.set_trunk(trunk(FIRST, 1234))
    assert trunks(client) == [(FIRST, 1234), (SECOND, 5062), (THIRD, 65535)]
    assert client.get_trunk(SECOND).sip_signaling_port == 5062
    client.delete_trunk(SECOND)
    with pytest.raises(KeyError):
        client.get_trunk(SECOND)
    client.delete_trunk(SECOND)  # is gone already
    client.set_trunks([trunk(THIRD, 1)])
    assert trunks(client) == [(THIRD, 1)]


def test_routes_are_replaced_as_a_whole_and_keep_their_order(client: SipRoutingClient) -> None:
    client.set_trunks([trunk(FIRST), trunk(SECOND)])
    client.set_routes(
        [
            route("Seattle", r"^\+1(425|206)\d{7}$", SECOND, FIRST, description="near"),
            route("America", r"^\+1\d{10}$", FIRST),
            route("nowhere", r"^\+7"),
        ]
    )
    assert routes(client) == [
        ("Seattle", r"^\+1(425|206)\d{7}$", [SECOND, FIRST]),
        ("America", r"^\+1\d{10}$", [FIRST]),
        ("nowhere", r"^\+7", []),
    ]
    assert [each.description for each in client.list_routes()] == ["near", None, None]
    client.set_routes([route("America", r"^\+1\d{10}$", SECOND), route("Seattle")])
    assert [name for name, _, _ in routes(client)] == ["America", "Seattle"]
    assert trunks(client) == [(FIRST, 5061), (SECOND, 5061)]


def test_a_trunk_in_use_stays_until_no_route_leads_there(client: SipRoutingClient) -> None:
    client.set_trunks([trunk(FIRST), trunk(SECOND)])
    client.set_routes([route("all", ".*", FIRST)])
    with pytest.raises(HttpResponseError) as refused:
        client.delete_trunk(FIRST)
    assert inner(refused) == (422, "MissingTrunk")
    with pytest.raises(HttpResponseError) as refused:
        client.set_trunks([trunk(THIRD)])
    assert inner(refused) == (422, "MissingTrunk")
    assert trunks(client) == [(FIRST, 5061), (SECOND, 5061)]
    client.set_routes([])
    client.delete_trunk(FIRST)
    assert trunks(client) == [(SECOND, 5061)]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (trunk("-1"), (422, "InvalidTrunkFqdn")),
        (trunk("127.0.0.1"), (422, "InvalidTrunkFqdn")),
        (trunk(SECOND, 0), (422, "InvalidTrunkSipSignalingPort")),
        (trunk(SECOND, 65536), (422, "InvalidTrunkSipSignalingPort")),
        ([route("")], (422, "InvalidRouteName")),
        ([route("n", "")], (422, "InvalidRouteNumberPattern")),
        ([route("n", "1" * 1025)], (422, "InvalidRouteNumberPattern")),
        ([route("n", r"^\+1(?!900)")], (400, "InvalidRouteNumberPattern")),
        ([route("n"), route("n")], (400, "DuplicatedRoute")),
        ([route("n", ".*", FIRST, FIRST)], (400, "RouteWithDuplicatedTrunk")),
        ([route("n", ".*", "unknown.contoso.com")], (422, "MissingTrunk")),
        ([route(f"n{place}") for place in range(251)], (422, "TooManyRoutes")),
    ],
)
def test_what_cannot_be_is_refused_with_azures_codes_and_changes_nothing(
    client: SipRoutingClient, changed: Any, expected: tuple[int, str]
) -> None:
    client.set_trunk(trunk(FIRST))
    change = client.set_routes if isinstance(changed, list) else client.set_trunk
    with pytest.raises(HttpResponseError) as refused:
        change(changed)
    assert inner(refused) == expected
    assert trunks(client) == [(FIRST, 5061)]
    assert routes(client) == []


def test_a_pattern_of_another_engine_is_told_with_construct_and_place(client: SipRoutingClient) -> None:
    with pytest.raises(HttpResponseError, match=r"routes\[0\].numberPattern: .* look-ahead at character 5"):
        client.set_routes([route("n", r"^\+1(?!900)")])


def test_a_wrong_key_opens_nothing(running: Node) -> None:
    head, _, _ = running.connection_string.partition("accesskey=")
    other = SipRoutingClient.from_connection_string(
        f"{head}accesskey={'QUFB' * 16}", connection_verify=str(running.ca), retry_total=0
    )
    with other, pytest.raises(ClientAuthenticationError):
        list(other.list_trunks())


async def test_the_async_client_does_the_same(running: Node, client: SipRoutingClient) -> None:
    async with AsyncSipRoutingClient.from_connection_string(
        running.connection_string, connection_verify=str(running.ca), retry_total=0
    ) as other:
        await other.set_trunks([trunk(FIRST), trunk(SECOND)])
        await other.set_trunk(trunk(THIRD, 7))
        await other.set_routes([route("all", r"^\+", THIRD, FIRST)])
        assert [each.fqdn async for each in other.list_trunks()] == [FIRST, SECOND, THIRD]
        assert [each.trunks async for each in other.list_routes()] == [[THIRD, FIRST]]
        assert (await other.get_trunk(THIRD)).sip_signaling_port == 7
        await other.delete_trunk(SECOND)
        with pytest.raises(HttpResponseError) as refused:
            await other.delete_trunk(FIRST)
        assert inner(refused) == (422, "MissingTrunk")
    assert trunks(client) == [(FIRST, 5061), (THIRD, 7)]


def test_the_javascript_client_sets_reads_and_deletes(running: Node, client: SipRoutingClient) -> None:
    del client  # it has emptied everything
    both = [{"fqdn": FIRST, "sipSignalingPort": 5061}, {"fqdn": SECOND, "sipSignalingPort": 5062}]
    way = {"name": "all", "description": "any", "numberPattern": r"^\+\d+$", "trunks": [SECOND, FIRST]}
    results = calls(
        running,
        ["listTrunks"],
        ["setTrunks", both],
        ["setTrunk", {"fqdn": FIRST, "sipSignalingPort": 1}],
        ["getTrunk", FIRST],
        ["getTrunk", THIRD],
        ["setRoutes", [way]],
        ["listRoutes"],
        ["deleteTrunk", FIRST],
        ["setRoutes", []],
        ["deleteTrunk", FIRST],
        ["listTrunks"],
        ["setTrunks", []],
        ["setTrunks", []],
    )
    empty, set_, one, got, missing, made, listed, used, cleared, deleted, left, none, again = results
    assert empty["result"] == none["result"] == again["result"] == cleared["result"] == []
    assert set_["result"] == both
    assert one["result"] == got["result"] == {"fqdn": FIRST, "sipSignalingPort": 1}
    assert missing["error"]["code"] == "NotFound"
    assert made["result"] == listed["result"] == [way]
    assert (used["error"]["status"], used["error"]["code"]) == (422, "UnprocessableConfiguration")
    assert "error" not in deleted
    assert left["result"] == [both[1]]


def test_the_javascript_client_gets_azures_errors(running: Node, client: SipRoutingClient) -> None:
    del client
    results = calls(
        running,
        ["setTrunk", {"fqdn": "_", "sipSignalingPort": 5061}],
        ["setTrunk", {"fqdn": FIRST, "sipSignalingPort": -1}],
        ["setRoutes", [{"name": "n", "numberPattern": "("}]],
        ["setRoutes", [{"name": "n", "numberPattern": ".*", "trunks": [FIRST]}]],
        ["setRoutes", [{"name": "n", "numberPattern": "1"}, {"name": "n", "numberPattern": "2"}]],
    )
    assert [each["error"]["status"] for each in results] == [422, 422, 400, 422, 400]
    assert {each["error"]["code"] for each in results} == {"UnprocessableConfiguration"}
    assert "parenthesis at character 1 is not closed" in results[2]["error"]["message"]
    assert all(each["error"]["message"].startswith(OUTER) for each in results)


def test_the_operator_enables_and_disables_names(running: Node, client: SipRoutingClient) -> None:
    client.set_trunks([trunk(FIRST), trunk(SECOND, 5062)])
    client.set_routes([route("all", ".*", SECOND)])
    listed = said(running, "list")
    assert listed.count("waits for `tandem sip-trunks enable`") == 2
    assert "5062" in listed
    assert said(running, "enable", FIRST.upper(), "--resource", running.resource()) == f"{FIRST}: usable\n"
    assert said(running, "enable", THIRD) == f"{THIRD}: the tenant has no such trunk\n"
    states = {each["fqdn"]: each for each in running.admin(path(running))["value"]}
    assert (states[FIRST]["state"], states[SECOND]["state"], states[THIRD]["state"]) == (
        "usable",
        "not-enabled",
        None,
    )
    assert states[SECOND]["routes"] == ["all"]
    assert states[FIRST]["health"] == "unknown"
    listed_too = ("--address", "203.0.113.0/28", "--address", "2001:db8:5::/48")
    assert said(running, "enable", FIRST, *listed_too) == f"{FIRST}: usable\n"
    assert "its certificate, 203.0.113.0/28, 2001:db8:5::/48" in said(running, "list")
    assert "Wider than /16" in said(running, "enable", FIRST, "--address", "10.0.0.0/8", code=1)
    assert said(running, "disable", FIRST) == ""
    assert said(running, "disable", THIRD) == ""
    assert "No such name is enabled" in said(running, "disable", FIRST, code=1)
    assert "Expected a name" in said(running, "enable", "10.0.0.1", code=1)
    assert "usable" not in said(running, "list")


def path(running: Node) -> str:
    return f"/admin/resources/{running.resource()}/sip-trunks"
