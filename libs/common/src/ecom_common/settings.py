"""Settings of a function, read once from its environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, Self, get_type_hints


class SettingsError(RuntimeError):
    """The environment does not hold what the function needs. Raised while it starts, never later."""


@dataclass(frozen=True)
class Settings:
    """What every function is told. A service adds fields of its own in a subclass.

    A field ``table_name`` is read from ``TABLE_NAME``. Only ``str`` and ``int`` are used.
    """

    stage: str
    table_name: str
    event_bus_name: str
    parking_queue_url: str
    kms_key_arn: str
    retry_base_seconds: int

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Self:
        """Read every field. Raises SettingsError naming each variable that is missing or not a number."""
        types = get_type_hints(cls)
        values: dict[str, Any] = {}
        wrong: list[str] = []
        for wanted in fields(cls):
            variable = wanted.name.upper()
            text = env.get(variable, "")
            if not text:
                if wanted.default is MISSING:
                    wrong.append(f"{variable} is missing")
            elif types[wanted.name] is not int:
                values[wanted.name] = text
            elif text.isdecimal():
                values[wanted.name] = int(text)
            else:
                wrong.append(f"{variable} is not a whole number")
        if wrong:
            raise SettingsError("; ".join(wrong))
        return cls(**values)
