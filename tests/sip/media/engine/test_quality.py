"""What loss and jitter cost in the engine's play-out: no more than what the network lost. By hand.

The table over more of both: `python -m bench media_quality`.
"""

import pytest

from tests.support.media_quality import through
from tests.support.scale import scale

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("loss", "jitter_ms", "least_mos"),
    [(0.01, 0, 4.1), (0.05, 0, 3.6), (0.10, 0, 3.0), (0.0, 60, 4.3), (0.01, 60, 4.0), (0.10, 60, 2.9)],
)
def test_as_much_is_made_up_as_was_lost_and_no_more(loss: float, jitter_ms: float, least_mos: float) -> None:
    heard = through(loss, jitter_ms, scale(15.0, 300.0))
    assert heard.concealed_share == pytest.approx(heard.lost_share, abs=0.006)
    assert heard.late_share <= 0.002
    assert heard.whole_share >= 1 - 2 * heard.lost_share - 0.01, "the frame after a loss is blended in"
    assert heard.in_order
    assert heard.delay_ms <= 30 + jitter_ms
    assert heard.depth_ms <= 40 + jitter_ms
    assert heard.mos >= least_mos
