"""Values that must never be seen: passwords, keys. Printing one shows stars."""

from typing import Any


class Secret:
    """A text that shows itself only when asked by `reveal()`."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text. Call it where it is used, never where something is written down."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


def decode_secret(kind: type, value: Any) -> Any:  # noqa: ANN401 - the signature msgspec asks for
    """msgspec `dec_hook`: a text becomes a Secret."""
    if kind is Secret:
        if isinstance(value, str):
            return Secret(value)
        raise ValueError(f"Expected `str`, got `{type(value).__name__}`")  # msgspec adds where
    # What msgspec asks of a hook for a type that it does not know: it says then that the type is unsupported.
    raise NotImplementedError(f"{kind.__name__} from {type(value).__name__}")
