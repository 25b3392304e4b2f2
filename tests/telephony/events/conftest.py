"""A store of this folder's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from telephony.kernel.store import Store, metadata


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = Store(f"sqlite:///{tmp_path / 'events.db'}")
    metadata.create_all(found.engine)
    found.start()
    yield found
    found.stop()
