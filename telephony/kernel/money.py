"""Money: an integer of 10⁻⁶ units of a currency, with the currency's ISO 4217 code. Never a float."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Money:
    """An amount: `micros` millionths of one unit of `currency` (ISO 4217, three capitals)."""

    micros: int
    currency: str

    def __add__(self, other: "Money") -> "Money":
        if self.currency != other.currency:
            raise ValueError(f"{self.currency} and {other.currency} do not add up")
        return Money(self.micros + other.micros, self.currency)

    def __mul__(self, count: int) -> "Money":
        return Money(self.micros * count, self.currency)

    def __str__(self) -> str:
        sign = "-" if self.micros < 0 else ""
        units, rest = divmod(abs(self.micros), 1_000_000)
        return f"{sign}{units}.{rest:06d} {self.currency}"
