"""The reference's table."""

import pytest

from tandem.http import routes_table
from telephony.kernel.http.route import Auth, Reply, Request, Route

pytestmark = pytest.mark.unit


async def nothing(_request: Request[None]) -> Reply:
    return Reply(204)


def test_the_table_is_made_from_the_routes_in_order_of_path() -> None:
    routes = [
        Route(
            "sms.send",
            "POST",
            "/sms",
            nothing,
            versions=("2021-03-07", "2026-01-23"),
            summary="Sends | takes",
        ),
        Route("health", "GET", "/health", nothing, Auth.NONE, summary="How it goes"),
    ]
    assert routes_table(routes) == (
        "| operation | method, path | api-versions | auth | summary |\n"
        "|---|---|---|---|---|\n"
        "| `health` | `GET /health` | – | none | How it goes |\n"
        "| `sms.send` | `POST /sms` | 2021-03-07, 2026-01-23 | hmac | Sends \\| takes |\n"
    )
