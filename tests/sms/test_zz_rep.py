import pytest
from tests.sms.test_service import _quick, test_a_stopped_service_leaves_nothing_half_done_and_the_next_goes_on as go  # noqa
pytestmark = pytest.mark.wire
@pytest.mark.parametrize("n", range(25))
async def test_rep(postgresql_store, n):
    await go(postgresql_store)
