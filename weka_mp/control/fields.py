"""The fields of a JSON body, each read by name and type; what is left over is refused, not ignored."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from weka_mp.identity.errors import InvalidInput

__all__ = ["Fields"]


class Fields:
    """One body. Messages name fields, never values: some are secret."""

    def __init__(self, body: Mapping[str, object], known: Collection[str]) -> None:
        """Raises InvalidInput: a field that is not `known`."""
        unknown = sorted(set(body) - set(known))
        if unknown:
            raise InvalidInput(f"unknown field {unknown[0][:64]!r}; known are {', '.join(known) or 'none'}")
        self._body = body

    def text(self, name: str) -> str:
        """Raises InvalidInput: absent, or no text."""
        found = self.text_or_none(name)
        if found is None:
            raise InvalidInput(f"the field {name} is missing")
        return found

    def given(self, name: str) -> bool:
        """Whether it is there, and not null."""
        return self._body.get(name) is not None

    def text_or_none(self, name: str) -> str | None:
        """None where it is absent or null. Raises InvalidInput."""
        value = self._body.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or not value.isprintable():
            raise InvalidInput(f"the field {name} must be text without control characters")
        return value

    def pem(self, name: str) -> str:
        """Text of several lines. Raises InvalidInput: absent, or no text."""
        value = self._body.get(name)
        if not isinstance(value, str) or not value.isascii():
            raise InvalidInput(f"the field {name} must be PEM text")
        return value

    def number_or_none(self, name: str) -> int | None:
        """None where it is absent or null. Raises InvalidInput."""
        value = self._body.get(name)
        if value is None or type(value) is int:
            return value
        raise InvalidInput(f"the field {name} must be a whole number")

    def count(self, name: str, usual: int) -> int:
        """None or more; as a number or, as addresses have them, in digits. Raises InvalidInput."""
        value = self._body.get(name)
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 9:
            return int(value)
        if value is None:
            return usual
        if type(value) is int and value >= 0:
            return value
        raise InvalidInput(f"the field {name} must be a whole number, 0 or more")

    def numbers_or_none(self, name: str) -> tuple[int, ...] | None:
        """A list of whole numbers; None where it is absent or null. Raises InvalidInput."""
        value = self._body.get(name)
        if value is None:
            return None
        if not isinstance(value, list) or not all(type(number) is int for number in value):
            raise InvalidInput(f"the field {name} must be a list of whole numbers")
        return tuple(value)

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts; none where it is absent or null. Raises InvalidInput."""
        value = self._body.get(name)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(
            isinstance(text, str) and text.isprintable() for text in value
        ):
            raise InvalidInput(f"the field {name} must be a list of texts without control characters")
        return tuple(value)

    def has_any(self, *names: str) -> bool:
        """Whether one of them is given, and not null."""
        return any(self._body.get(name) is not None for name in names)

    def flag(self, name: str) -> bool:
        """False where it is absent or null. Raises InvalidInput."""
        value = self._body.get(name)
        if value is None or isinstance(value, bool):
            return bool(value)
        raise InvalidInput(f"the field {name} must be true or false")

    def document_or_none(self, name: str) -> str | None:
        """A policy: its text, or the JSON object itself. None where absent or null. Raises InvalidInput."""
        value = self._body.get(name)
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, dict):
            return json.dumps(value, ensure_ascii=False)  # its characters are counted
        raise InvalidInput(f"the field {name} must be a policy: its text, or a JSON object")

    def document(self, name: str) -> str:
        """Raises InvalidInput."""
        found = self.document_or_none(name)
        if found is None:
            raise InvalidInput(f"the field {name} is missing")
        return found
