"""Which route a path means."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.http.matcher import Matcher

pytestmark = pytest.mark.unit

TABLE = [
    ("GET", "/phoneNumbers", "list"),
    ("GET", "/phoneNumbers/{phoneNumber}", "get"),
    ("DELETE", "/phoneNumbers/{phoneNumber}", "release"),
    ("PATCH", "/phoneNumbers/{phoneNumber}/capabilities", "update"),
    ("GET", "/phoneNumbers/operations/{operationId}", "operation"),
    ("POST", "/sms", "send"),
    ("POST", "/sms/optouts:add", "opt out"),
    ("POST", "/identities/{id}/:issueAccessToken", "token"),
    ("POST", "/calling/callConnections/{call}:play", "play"),
    ("GET", "/calling/callConnections/{call}", "call"),
    ("POST", "/calling/callConnections/{call}/participants:add", "add"),
    ("GET", "/calling/callConnections/{call}/participants/{who}", "who"),
    ("GET", "/", "root"),
]
MATCHER = Matcher(TABLE)


def found(method: str, path: str) -> tuple[str | None, dict[str, str]]:
    match = MATCHER.match(path)
    return (match.methods.get(method), dict(match.parameters)) if match else (None, {})


@pytest.mark.parametrize(
    ("method", "path", "entry", "parameters"),
    [
        ("POST", "/sms", "send", {}),
        ("POST", "/sms/optouts:add", "opt out", {}),
        ("POST", "/sms/optouts%3Aadd", "opt out", {}),
        ("GET", "/phoneNumbers/%2B14255550123", "get", {"phoneNumber": "+14255550123"}),
        ("GET", "/phoneNumbers/+14255550123", "get", {"phoneNumber": "+14255550123"}),
        ("DELETE", "/phoneNumbers/%2B1", "release", {"phoneNumber": "+1"}),
        ("GET", "/phoneNumbers/operations/search_1", "operation", {"operationId": "search_1"}),
        ("GET", "/phoneNumbers/operations", "get", {"phoneNumber": "operations"}),
        ("POST", "/identities/8:acs:a_b/:issueAccessToken", "token", {"id": "8:acs:a_b"}),
        ("POST", "/identities/8%3Aacs%3Aa_b/%3AissueAccessToken", "token", {"id": "8:acs:a_b"}),
        ("POST", "/calling/callConnections/aGk==:play", "play", {"call": "aGk=="}),
        ("POST", "/calling/callConnections/aGk%3D%3D:play", "play", {"call": "aGk=="}),
        ("GET", "/calling/callConnections/aGk%3D", "call", {"call": "aGk="}),
        ("GET", "/calling/callConnections/a/participants/4%3A%2B1", "who", {"call": "a", "who": "4:+1"}),
        ("GET", "/phoneNumbers/a%2Fb", "get", {"phoneNumber": "a/b"}),
        ("GET", "/phoneNumbers/a%252Fb", "get", {"phoneNumber": "a%2Fb"}),
        ("GET", "/", "root", {}),
    ],
)
def test_a_path_is_decoded_once_and_means_one_route(
    method: str, path: str, entry: str, parameters: dict[str, str]
) -> None:
    assert found(method, path) == (entry, parameters)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "sms",
        "/sms/",
        "//sms",
        "/SMS",
        "/phoneNumbers/",
        "/phoneNumbers//capabilities",
        "/phoneNumbers/%00",
        "/phoneNumbers/a%0Ab",
        "/phoneNumbers/%FF",
        "/phoneNumbers/é",
        "/phoneNumbers/../sms",
        "/identities/:issueAccessToken",
        "/phoneNumbers/" + "x" * 3000,
        "*",
        "https://x/sms",
    ],
)
def test_other_paths_are_unknown(path: str) -> None:
    assert MATCHER.match(path) is None


def test_a_verb_alone_is_no_id() -> None:
    assert found("POST", "/calling/callConnections/:play")[0] is None


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30))
def test_any_id_comes_back_as_it_was_quoted(value: str) -> None:
    match = MATCHER.match(f"/phoneNumbers/{quote(value, safe='')}/capabilities")
    assert match is not None
    assert match.parameters == {"phoneNumber": value}


@given(st.text(max_size=60))
def test_any_path_is_known_or_not(path: str) -> None:
    MATCHER.match("/" + path)


@pytest.mark.parametrize(
    "table",
    [
        [("GET", "/a", "x"), ("GET", "/a", "y")],
        [("GET", "/a/{x}", "x"), ("POST", "/a/{y}", "y")],
        [("GET", "a", "x")],
        [("GET", "/a/b{x}", "x")],
        [("GET", "/a/{x}{y}", "x")],
    ],
)
def test_a_table_that_contradicts_itself_is_refused(table: list[tuple[str, str, str]]) -> None:
    with pytest.raises(ValueError, match=r"/a|template"):
        Matcher(table)
