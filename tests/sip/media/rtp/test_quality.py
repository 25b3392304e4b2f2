"""The estimated quality of a call."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.media.rtp.quality import EQUIPMENT, mos, rating

pytestmark = pytest.mark.unit


def test_the_formula_at_points_worked_out_by_hand() -> None:
    assert rating(0, 0) == pytest.approx(93.2)
    assert rating(0, 150) == pytest.approx(93.2 - 3.6)
    assert rating(0, 277.3) == pytest.approx(93.2 - 6.6552 - 11)
    assert rating(0.05, 0) == pytest.approx(93.2 - 95 * 5 / 30.1)
    assert rating(0.05, 0, burst=2) == pytest.approx(93.2 - 95 * 5 / 27.6)


def test_scores_of_usual_calls() -> None:
    assert mos(0, 0, 0) == pytest.approx(4.39, abs=0.02)
    assert mos(0.01, 5, 40) == pytest.approx(4.25, abs=0.08)
    assert mos(0.05, 5, 40) == pytest.approx(3.8, abs=0.15)
    assert mos(0.10, 5, 40) < 3.4
    assert mos(0, 0, 400) < 3.4
    assert mos(1, 0, 0) < 1.6
    assert mos(1, 0, 5000) == 1.0
    assert mos(0, 30, 0, depth_ms=20) > mos(0, 30, 0)


amounts = st.floats(0, 1)
times = st.floats(0, 2000)


@given(amounts, amounts, times, times, st.sampled_from(sorted(EQUIPMENT)))
def test_more_loss_and_more_delay_never_sound_better(
    loss: float, more: float, delay: float, longer: float, codec: str
) -> None:
    one = mos(loss, 0, delay, codec)
    other = mos(min(loss + more, 1), 0, delay + longer, codec)
    assert 1 <= other <= 4.5
    assert other <= max(one, 1.01) + 1e-9


def test_a_codec_that_is_not_known_is_an_error() -> None:
    with pytest.raises(KeyError):
        mos(0, 0, 0, "G729")
