"""What webhooks keep of people: the bodies of deliveries, also of those that wait or are dead letters."""

from typing import Final

from telephony.events.store import deliveries
from telephony.resources.privacy import TableEraser

WEBHOOKS: Final = TableEraser("webhooks", deliveries, (deliveries.c.payload,))
"""A delivery that mentions the number is forgotten, whatever its state."""
