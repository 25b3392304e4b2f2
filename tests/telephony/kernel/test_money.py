"""Money: whole millionths, one currency at a time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.kernel.money import Money

pytestmark = pytest.mark.unit

micros = st.integers(-(10**15), 10**15)


@given(micros, micros, st.integers(0, 1000))
def test_sums_and_products_are_exact(one: int, other: int, count: int) -> None:
    assert Money(one, "EUR") + Money(other, "EUR") == Money(one + other, "EUR")
    assert Money(one, "EUR") * count == Money(one * count, "EUR")


def test_two_currencies_do_not_add_up() -> None:
    with pytest.raises(ValueError, match="EUR and USD do not add up"):
        Money(1, "EUR") + Money(1, "USD")


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0.000000 EUR"),
        (7_500, "0.007500 EUR"),
        (-1, "-0.000001 EUR"),
        (12_345_678, "12.345678 EUR"),
        (-1_500_000, "-1.500000 EUR"),
    ],
)
def test_an_amount_is_written_with_all_six_digits(amount: int, text: str) -> None:
    assert str(Money(amount, "EUR")) == text


@given(micros)
def test_what_is_written_is_the_amount(amount: int) -> None:
    digits, currency = str(Money(amount, "EUR")).split()
    assert int(digits.replace(".", "")) == amount
    assert currency == "EUR"
