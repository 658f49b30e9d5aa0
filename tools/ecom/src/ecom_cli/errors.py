"""What a person at the terminal is told: what went wrong, and what to do."""

from __future__ import annotations


class EcomError(Exception):
    """A failure that the user can act on. Shown without a traceback; exit code 1.

    Parameters: `message` says what went wrong, `hint` (may be empty) what to do about it.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message
