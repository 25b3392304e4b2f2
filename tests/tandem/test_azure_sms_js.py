"""Azure's JavaScript package, unmodified, on Node.js: a connection string, and the authority to trust."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import javascript
from tests.support.node import Node, node

pytestmark = pytest.mark.peer


BETA, RELEASED = "@azure/communication-sms", "communication-sms-released"
DELIVERED, UNDELIVERABLE, ANOTHER = "+12065550100", "+12065550101", "+12065550109"
STOPS = "+12065550108"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    javascript.install()
    with node(tmp_path_factory.mktemp("node")) as running:
        yield running


def calls(running: Node, *listed: list[Any], package: str = BETA, connection: str = "") -> list[Any]:
    """Run calls one after another in a fresh process; return a result or an error for each."""
    return javascript.call(running, "sms.mjs", [package, connection or running.connection_string], listed)


def message(running: Node, *to: str, text: str = "Hello") -> dict[str, Any]:
    return {"from": running.number, "to": list(to), "message": text}


@pytest.mark.parametrize("package", [BETA, RELEASED])
def test_a_message_is_sent_delivered_and_reported(running: Node, package: str) -> None:
    options = {"enableDeliveryReport": True, "tag": "first"}
    (sent,) = calls(
        running,
        ["send", message(running, DELIVERED, "nobody", UNDELIVERABLE, text="Grüße 🎉"), options],
        package=package,
    )
    first, second, third = sent["result"]
    assert (first["to"], first["httpStatusCode"], first["successful"]) == (DELIVERED, 202, True)
    assert first["repeatabilityResult"] == "accepted"  # the package makes an id for each recipient
    assert (second["httpStatusCode"], second["successful"]) == (400, False)
    assert second["errorMessage"] == "Invalid To phone number format."
    view = running.wait_for_state(first["messageId"], "delivered")
    assert (view["text"], view["message"]["tag"]) == ("Grüße 🎉", "first")
    running.wait_for_state(third["messageId"], "failed")
    delivered, failed, unknown = calls(
        running,
        ["report", first["messageId"], "2026-01-23"],
        ["report", third["messageId"], "2025-08-01-preview"],
        ["report", "Outgoing_20260101000000" + "0" * 36, "2026-01-23"],
    )
    body = delivered["result"]["body"]
    assert body["deliveryAttempts"][0]["segmentsSucceeded"] == 1
    assert {name: body[name] for name in ("deliveryStatus", "messageId", "from", "to", "tag")} == {
        "deliveryStatus": "Delivered",
        "messageId": first["messageId"],
        "from": running.number,
        "to": DELIVERED,
        "tag": "first",
    }
    assert failed["result"]["body"]["deliveryStatus"] == "Failed"
    assert unknown["result"]["status"] == 404
    assert unknown["result"]["body"]["title"] == "Not Found"


@pytest.mark.parametrize("package", [BETA, RELEASED])
def test_a_policy_puts_what_acs_does_not_have_into_the_request(running: Node, package: str) -> None:
    asked = {"messageClass": 0, "validitySeconds": 600, "priority": 3}
    sent, refused = calls(
        running,
        ["sendBeyond", message(running, DELIVERED, text="Now!"), asked],
        ["sendBeyond", message(running, DELIVERED), {"priority": 4}],
        package=package,
    )
    (first,) = sent["result"]
    view = running.wait_for_state(first["messageId"], "delivered")
    assert {name: view["message"]["tandem"][name] for name in asked} == asked
    assert refused["error"]["status"] == 400
    assert "tandem" in refused["error"]["message"]


def test_opt_outs_are_added_checked_removed_and_respected(running: Node) -> None:
    number = running.number
    added, checked, refused, removed, again, sent = calls(
        running,
        ["add", number, [DELIVERED, "+1"]],
        ["check", number, [DELIVERED, ANOTHER]],
        ["send", message(running, DELIVERED, ANOTHER)],
        ["remove", number, [DELIVERED]],
        ["check", number, [DELIVERED]],
        ["send", message(running, DELIVERED)],
    )
    assert added["result"] == [
        {"to": DELIVERED, "httpStatusCode": 200, "errorMessage": ""},
        {"to": "+1", "httpStatusCode": 400, "errorMessage": "Invalid recipient phone number format"},
    ]
    assert [(item["to"], item["isOptedOut"]) for item in checked["result"]] == [
        (DELIVERED, True),
        (ANOTHER, False),
    ]
    assert [item["httpStatusCode"] for item in refused["result"]] == [400, 202]
    assert refused["result"][0]["errorMessage"].startswith("4007: ")
    assert removed["result"] == [{"to": DELIVERED, "httpStatusCode": 200, "errorMessage": ""}]
    assert again["result"][0]["isOptedOut"] is False
    assert sent["result"][0]["httpStatusCode"] == 202


def test_a_recipient_who_answers_stop_gets_its_confirmation_and_nothing_more(running: Node) -> None:
    (first,) = calls(running, ["send", message(running, STOPS)])
    running.wait_for_state(first["result"][0]["messageId"], "delivered")
    until = time.monotonic() + 30
    while not (stops := [one for one in running.messages("inbound") if one["from"] == STOPS]):
        assert time.monotonic() < until
        time.sleep(0.02)
    view = running.message(stops[-1]["messageId"])  # it answers the confirmation too, which changes nothing
    kinds = [entry["kind"] for entry in view["timeline"]]
    assert kinds == ["message.received", "message.routed", "opt-out.added"]
    answer = running.wait_for_state(view["timeline"][-1]["data"]["answer"], "delivered")
    assert answer["timeline"][0]["source"] == "compliance"
    assert answer["text"].startswith("You are opted out")
    refused, report = calls(
        running,
        ["send", message(running, STOPS), {"enableDeliveryReport": True}],
        ["check", running.number, [STOPS]],
    )
    assert refused["result"][0]["httpStatusCode"] == 400
    assert report["result"][0]["isOptedOut"] is True
    (looked_up,) = calls(running, ["report", refused["result"][0]["messageId"], "2026-01-23"])
    assert looked_up["result"]["body"]["deliveryStatusDetails"] == refused["result"][0]["errorMessage"]


def test_errors_are_those_that_the_package_knows(running: Node) -> None:
    elsewhere = {**message(running, DELIVERED), "from": "+14255550166"}
    not_mine, to_nobody, opted, no_text = calls(
        running,
        ["send", elsewhere],
        ["send", message(running, "nobody")],
        ["check", "+14255550166", [DELIVERED]],
        ["send", message(running, DELIVERED, text="")],
    )
    assert [one["error"]["status"] for one in (not_mine, to_nobody, opted, no_text)] == [401, 400, 401, 400]
    assert {one["error"]["name"] for one in (not_mine, to_nobody, opted)} == {"RestError"}
    assert [one["error"]["code"] for one in (not_mine, to_nobody)] == ["Denied", "BadRequest"]


def test_a_wrong_key_is_refused(running: Node) -> None:
    wrong = f"endpoint=https://{running.authority}/;accesskey={'A' * 86}=="
    (refused,) = calls(running, ["send", message(running, DELIVERED)], connection=wrong)
    assert refused["error"]["status"] == 401
