"""Inbound texts in Prometheus' words: where rules sent them."""

from typing import Final

from prometheus_client import Counter

TEXTS: Final = Counter(
    "tandem_inbound_texts",
    "Whole inbound texts, by where rules sent them: a kind of target, denied, refused or failed",
    ["target"],
)
"""`denied`: no rule was for it; `refused`: a rule said so; `failed`: nothing took it."""
