"""Settings as JSON text: what a run writes beside its weights, and compares when it goes on."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from tpir.errors import TpirError
from tpir.files import json_value


@dataclass(frozen=True)
class SettingsText:
    """For dataclasses of settings: their text, reading it, and how they differ from a text's."""

    called: ClassVar[str] = "the settings"

    def to_json(self) -> str:
        """The settings as indented JSON, in the order of the fields."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    def differences(self, text: str) -> list[str]:
        """The names of the settings that differ from those in ``text``, written by ``to_json``."""
        other = type(self).from_json(text)
        names = [field.name for field in dataclasses.fields(self)]
        return [name for name in names if getattr(self, name) != getattr(other, name)]

    @classmethod
    def names(cls) -> frozenset[str]:
        """The names of all settings."""
        return frozenset(field.name for field in dataclasses.fields(cls))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what ``to_json`` wrote; a setting that is missing has its default.

        Raises TpirError for anything else.
        """
        content = json_value(text, cls.called)
        if not isinstance(content, dict) or not content.keys() <= cls.names():
            unknown = sorted(content.keys() - cls.names()) if isinstance(content, dict) else []
            wrong = f"no setting is called {unknown[0]!r}" if unknown else "expected a JSON object"
            raise TpirError(f"{cls.called} are wrong: {wrong}")
        try:
            return cls(**content)
        except TypeError as error:
            raise TpirError(f"{cls.called} are wrong: {error}") from error

    def changed(self, changes: Mapping[str, object]) -> Self:
        """These settings with some of other values, checked as if they were read."""
        return type(self).from_json(json.dumps(dataclasses.asdict(self) | dict(changes)))
