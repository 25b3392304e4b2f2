"""One engine for the modules of this folder, and what each test leaves behind is taken away."""

from collections.abc import Callable, Iterator

import pytest

from sip.media import protocol as say
from tests.support.media import Asker, RtpPeer, Running, engine


@pytest.fixture(scope="session")
def running() -> Iterator[Running]:
    with engine() as one:
        yield one


@pytest.fixture
def asker(running: Running, request: pytest.FixtureRequest) -> Iterator[Asker]:
    one = running.asker(request.node.name[:60])
    yield one
    page = one.ask(say.Survey())
    assert isinstance(page, say.Surveyed)
    for leg in page.legs:
        one.do(say.CloseLeg(leg.leg))
    one.close()


@pytest.fixture
def peer() -> Iterator[Callable[..., RtpPeer]]:
    """Make peers that are closed afterwards."""
    made: list[RtpPeer] = []

    def make(payload_type: int = 0, **more: int) -> RtpPeer:
        made.append(RtpPeer(payload_type, **more))
        return made[-1]

    yield make
    for one in made:
        one.close()
