"""Explain's answer against what a node then did, for messages that went through it."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from carriers.simulated.journal import Entry, read

if TYPE_CHECKING:
    from tests.support.node import Node

MOST = 20
"""Messages compared of a node that sent many: the first and the last ones."""


def assert_explained(running: "Node", identifiers: Iterable[str] | None = None) -> int:
    """Ask a node for an explanation of each message that it routed, with the message's id as seed.

    Carrier, route, order of the others, price and digits must be what the timeline, and the simulated
    carrier's journal, say. Returns how many messages were compared.
    """
    resource, since = running.resource(), running.admin("/admin/routes").get("updatedAt", "")
    if identifiers is None:
        found = [one["messageId"] for one in running.messages()]
        identifiers = found if len(found) <= MOST else [*found[: MOST // 2], *found[-MOST // 2 :]]
    submits = {entry.message_id: entry for entry in _journal(running) if entry.kind == "submit"}
    compared = 0
    for identifier in identifiers:
        view = running.message(identifier)
        message, timeline = view["message"], view["timeline"]
        if message["direction"] == "inbound":
            if message["created"] >= since and message["from"] != "erased":
                _compare_inbound(running, view, resource)
                compared += 1
            continue
        accepted = next((one["data"] for one in timeline if one["kind"] == "message.accepted"), None)
        if accepted is None:
            continue  # the recipient had opted out: it was never routed
        if message["created"] < since or any(one["kind"] == "message.requeued" for one in timeline):
            continue  # other routes decided about it
        if not _has(running, message["from"], resource):
            continue  # it was sent from a number that was given back since
        told = running.admin(
            "/admin/explain",
            "POST",
            {
                "to": message["to"],
                "from": message["from"],
                "resource": resource,
                "at": message["created"],
                "seed": identifier[-36:],
            },
        )
        _compare(told, accepted, message, identifier)
        _compare_digits(told["hops"], view, submits)
        compared += 1
    return compared


def _has(running: "Node", number: str, resource: str) -> bool:
    query = urlencode({"prefix": number})
    found = running.admin(f"/admin/numbers?{query}")["value"]
    return any(one["number"] == number and one.get("resource") == resource for one in found)


def _compare(
    told: dict[str, Any], accepted: dict[str, Any], message: dict[str, Any], identifier: str
) -> None:
    hops = told["hops"]
    went = [accepted["carrier"], *accepted.get("then", [])]
    if all(hop["up"] for hop in hops):
        assert [hop["target"] for hop in hops] == went, identifier
    else:  # a carrier that is down now may have been up then
        assert sorted(hop["target"] for hop in hops) == sorted(went), identifier
    hop = next(hop for hop in hops if hop["target"] == went[0])
    assert hop["route"] == accepted["route"], identifier
    price = hop.get("price")
    if price is None:
        assert "price" not in accepted, identifier
    else:
        assert price["amount"]["currency"] == accepted["currency"], identifier
        assert price["amount"]["micros"] * accepted["segments"] == accepted["price"], identifier


def _compare_inbound(running: "Node", view: dict[str, Any], resource: str) -> None:
    """Compare the rule of a text that came in, and the first place that it was taken to."""
    message = view["message"]
    asked = {"to": message["to"], "from": message["from"], "resource": resource, "at": message["created"]}
    told = running.admin("/admin/explain", "POST", asked | {"direction": "in"})
    kinds = ("message.routed", "message.refused", "route.failed")
    first = next(one["data"] for one in view["timeline"] if one["kind"] in kinds)
    if told.get("refusal"):
        assert first == {"reason": told["refusal"]}, message["messageId"]
    else:
        went = (first["rule"], first["target"])
        assert went == (told["rule"], told["stops"][0]["kind"]), message["messageId"]


def _compare_digits(hops: list[dict[str, Any]], view: dict[str, Any], submits: dict[str, Entry]) -> None:
    """Compare what each part had on the wire with what was told of the carrier that took it."""
    by_carrier = {hop["target"]: hop for hop in hops}
    for entry in view["timeline"]:
        submit = submits.get(entry["data"]["remote_id"]) if entry["kind"] == "part.submitted" else None
        if submit is not None:
            hop = by_carrier[entry["data"]["carrier"]]
            assert (submit.destination, submit.source) == (hop["destination"], hop["sender"])


def _journal(running: "Node") -> list[Entry]:
    return list(read(running.journal)) if running.journal.exists() else []
