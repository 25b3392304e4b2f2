"""State machines as tables.

A machine's whole behaviour is its table; no transition stands anywhere else. The diagram in the docs is
printed from it.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Generic, TypeVar

from telephony.kernel.errors import Conflict

S = TypeVar("S", bound=Enum)
E = TypeVar("E", bound=Enum)


class IllegalTransition(Conflict):
    """The event cannot happen in the state."""


class Machine(Generic[S, E]):
    """A table of (state, event) → state, with the state everything starts in."""

    def __init__(self, name: str, initial: S, table: Mapping[tuple[S, E], S]) -> None:
        self.name = name
        self.initial = initial
        self.table = dict(table)
        leaving = {state for state, _ in table}
        self.final: frozenset[S] = frozenset(set(table.values()) - leaving)
        """States that nothing leads out of."""

    def fire(self, state: S, event: E) -> S:
        """Return the state that follows.

        Raises IllegalTransition when the table has no such entry.
        """
        try:
            return self.table[state, event]
        except KeyError:
            raise IllegalTransition(f"{self.name}: {event.value} cannot happen in {state.value}") from None

    def allows(self, state: S, event: E) -> bool:
        """Tell whether the event can happen in the state."""
        return (state, event) in self.table

    def diagram(self) -> str:
        """Return the table as a Mermaid state diagram."""
        lines = ["stateDiagram-v2", f"    [*] --> {self.initial.value}"]
        lines += [
            f"    {old.value} --> {new.value}: {event.value}" for (old, event), new in self.table.items()
        ]
        lines += [f"    {state.value} --> [*]" for state in sorted(self.final, key=lambda state: state.value)]
        return "\n".join(lines) + "\n"
