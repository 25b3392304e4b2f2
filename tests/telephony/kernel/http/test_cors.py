"""Cross-origin requests."""

import pytest

from telephony.kernel.http.cors import Cors

pytestmark = pytest.mark.unit
SHOP = "https://shop.example"


def test_any_origin_may_ask_by_default() -> None:
    assert Cors().headers(SHOP) == {"Access-Control-Allow-Origin": "*"}
    assert Cors().headers(None) == {}


def test_a_listed_origin_is_named_and_others_get_nothing() -> None:
    cors = Cors([SHOP])
    assert cors.headers(SHOP) == {"Access-Control-Allow-Origin": SHOP, "Vary": "Origin"}
    assert cors.headers("https://evil.example") == {}
    assert cors.preflight("https://evil.example", ["GET"], None) == {}


def test_a_preflight_allows_the_methods_and_the_headers_asked_for() -> None:
    allowed = Cors().preflight(SHOP, ["GET", "POST"], "authorization, x-ms-date")
    assert allowed["Access-Control-Allow-Methods"] == "GET,POST"
    assert allowed["Access-Control-Allow-Headers"] == "authorization, x-ms-date"


@pytest.mark.parametrize("headers", ["a\r\nSet-Cookie: x", "a,,b", "", "é"])
def test_header_names_that_are_none_are_not_echoed(headers: str) -> None:
    assert "Access-Control-Allow-Headers" not in Cors().preflight(SHOP, ["GET"], headers)
