"""The links of one carrier, seen from what is to be sent: how much each may take, and by which policies."""

from collections.abc import Mapping, Sequence
from typing import Final

from carriers.model.smpp import SmppLink
from sms.pace import Pace
from sms.ports import SubmitLink
from sms.rates import Rates

USUAL_LINK: Final = SmppLink(host="-", system_id="-")
"""The policies of a link that no configuration knows."""


class Bank:
    """`links` are those that may be sent to. One that was taken out may still answer what it was sent."""

    def __init__(self, policies: Mapping[str, SmppLink], rates: Rates) -> None:
        self.links: Sequence[SubmitLink] = ()
        self.policies, self._rates = policies, rates
        self._paces: dict[str, Pace] = {}

    def serve(self, links: Sequence[SubmitLink], policies: Mapping[str, SmppLink]) -> None:
        """Serve these links from now on; those that stay go on at their pace."""
        self.policies = policies
        before = {link.name: self._paces[link.name] for link in self.links}
        fresh = {link.name: self._fresh(link) for link in links if link not in self.links}
        self.links, self._paces = tuple(links), {**before, **fresh}

    def policy(self, link: SubmitLink) -> SmppLink:
        """Return how a link wants things."""
        return self.policies.get(link.name, USUAL_LINK)

    def pace(self, link: SubmitLink) -> Pace:
        """Return the pace of a link."""
        return self._paces[link.name]

    @property
    def window(self) -> int:
        """How many requests may be unanswered at once on the links that are bound."""
        return sum(link.room + link.outstanding for link in self.links if link.bound)

    @property
    def reachable(self) -> bool:
        """Whether a link is bound that may send."""
        return any(link.bound and self.policy(link).bind != "receiver" for link in self.links)

    def rooms(self, now: float) -> list[tuple[int, SubmitLink]]:
        """Return how much each link takes now."""
        return [
            (
                min(
                    self._paces[link.name].room(link.room, link.outstanding, now),
                    self._rates.room(link.name, now),
                ),
                link,
            )
            for link in self.links
        ]

    def turns(self, now: float, least: float) -> list[float]:
        """Return when links that may take nothing now may again, `least` seconds from now for a rate."""
        pauses = [pace.until for pace in self._paces.values() if pace.until > now]
        waits = [self._rates.link_wait(link.name, now) for link in self.links]
        return pauses + [now + max(wait, least) for wait in waits if wait > 0.0]

    def _fresh(self, link: SubmitLink) -> Pace:
        return Pace(self.policy(link).throttle_seconds)
