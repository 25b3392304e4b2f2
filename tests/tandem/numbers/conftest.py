"""One node for all clients of phone numbers: each works in area codes or states of its own."""

from collections.abc import Iterator

import pytest

from tests.support.azure_numbers import supply
from tests.support.node import Node, node


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node whose inventory has numbers of two towns in Oregon beside the simulated carrier's own."""
    with node(tmp_path_factory.mktemp("node")) as running:
        supply(
            running,
            "+15035550100-0199,geographic,Portland,OR,Oregon,1.25",
            "+15415550100-0199,geographic,Eugene,OR,Oregon,1.25",
        )
        yield running
