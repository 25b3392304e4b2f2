"""What the tests with Azure's clients share: how long they wait between polls, and supply of their own."""

from typing import Any

from tests.support.node import Node

QUICK = {"polling_interval": 0}
"""For Python's clients: they wait two seconds before the first poll otherwise."""


def supply(node: Node, *lines: str, columns: str = "number,type,locality,division,division_name,cost") -> Any:
    """Put lines into the inventory of a node, all of them of the simulated carrier."""
    answer = node.admin(
        "/admin/numbers:import",
        "POST",
        {"columns": columns.split(","), "lines": list(lines), "defaults": {"carrier": "simulated"}},
    )
    assert answer["rejected"] == [], answer
    return answer["kept"]
