"""Peers for legs."""

from collections.abc import Iterator

import pytest

from tests.support.legs import Talker


@pytest.fixture
def caller() -> Iterator[Talker]:
    """Who calls us."""
    caller = Talker()
    yield caller
    caller.close()


@pytest.fixture
def callee() -> Iterator[Talker]:
    """Whom we call."""
    callee = Talker()
    yield callee
    callee.close()
