"""Reads the configuration's files and words the mistakes in them.

Decides which file is read, how ``include`` joins files, and how a mistake is worded. The models in
:mod:`bridge.config.settings` check single values, :mod:`bridge.config.mistakes` their combinations.
The value of a secret is never shown.
"""

from __future__ import annotations

import glob
import os
import re
import tomllib
from difflib import get_close_matches
from pathlib import Path
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from bridge.config.mistakes import find_mistakes
from bridge.config.settings import (
    WITHOUT_SECRETS,
    AccountSettings,
    ConfigError,
    Mistake,
    Settings,
    Table,
)

#: The default path of the configuration.
DEFAULT = Path("/etc/cascade-bridge/bridge.toml")

KeyPath = tuple[str | int, ...]

#: pydantic's error type → the allowed value, where the type alone tells it.
_ALLOWED = {
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a number",
    "string_type": "a string in quotes",
    "list_type": 'a list in brackets, such as ["one", "two"]',
    "model_type": "a table",
    "dict_type": "a table",
    "path_type": "a path in quotes",
    "string_pattern_mismatch": 'a country code of two capital letters, such as "UA"',
}


def dotted(path: KeyPath) -> str:
    """``accounts.crm.networks[0]``; with quotes around names for which TOML requires them."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part + 1}]"
        else:
            bare = re.fullmatch(r"[A-Za-z0-9_-]+", part)
            text += ("." if text else "") + (part if bare else _show(part))
    return text


def _show(value: object) -> str:
    """A value as written in the file, shortened if it is long."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        value = value if len(value) <= 60 else value[:57] + "..."
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    return str(value)


#: tomllib's words → what was found, and what is allowed.
_TOML: Final = {
    r"Cannot declare \((.+?),?\) twice": (r"the table [\1] a second time", "each table once"),
    "Cannot overwrite a value": ("a key a second time", "each key once"),
    "Invalid value": (
        "a value that TOML does not have",
        'a string in straight quotation marks ("text"), a number, true, false or a list',
    ),
}


def _worded(what: str) -> tuple[str, str]:
    """The found and the allowed text for tomllib's words."""
    for pattern, (found, allowed) in _TOML.items():
        if match := re.fullmatch(pattern, what):
            return match.expand(found).replace("'", "").replace(", ", "."), allowed
    return f"a mistake in the TOML: {what[:1].lower()}{what[1:]}", "TOML 1.0"


class _Files:
    """The joined tables of all files, and the file of each key."""

    def __init__(self) -> None:
        self.data: dict[str, Any] = {}
        self.mistakes: list[Mistake] = []
        self.files: list[Path] = []
        self.secrets: list[Path] = []
        #: Whether a file could not be read, so that its keys seem to be missing.
        self.incomplete = False
        self._origin: dict[KeyPath, Path] = {}

    def origin(self, path: KeyPath) -> str:
        """The file that set ``path``, or the nearest table around it."""
        for end in range(len(path), 0, -1):
            if path[:end] in self._origin:
                return str(self._origin[path[:end]])
        return str(self.files[0])

    def in_order(self) -> list[Mistake]:
        """The mistakes in the order of the files, from top to bottom."""
        files = {str(file): n for n, file in enumerate(self.files)}
        keys = {dotted(path): n for n, path in enumerate(self._origin)}

        def place(mistake: Mistake) -> tuple[int, int]:
            key = re.sub(r"\[\d+\]$", "", mistake.key)
            while key and key not in keys:
                key = key.rpartition(".")[0]
            return files[mistake.file], keys.get(key, -1)

        return sorted(self.mistakes, key=place)

    def read(self, main: Path) -> None:
        data = self._parse(main)
        patterns = data.pop("include", [])
        self._join(self.data, data, main, ())
        if not isinstance(patterns, list) or not all(isinstance(p, str) for p in patterns):
            self._add(main, "include", _show(patterns), 'a list such as ["accounts.d/*.toml"]')
            return
        for pattern in patterns:
            found = sorted(map(Path, glob.glob(str(main.parent / pattern), recursive=True)))
            if not found and not glob.has_magic(pattern):
                self._add(main, "include", f"{_show(pattern)}, which is no file", "existing files")
            for file in found:
                if file in self.files or file.is_dir():
                    continue
                included = self._parse(file)
                if included.pop("include", None) is not None:
                    self._add(file, "include", "it in an included file", "only in the main file")
                self._join(self.data, included, file, ())

    def _add(self, file: Path, key: str, found: str, allowed: str) -> None:
        self.mistakes.append(Mistake(str(file), key, found, allowed))

    def _parse(self, file: Path) -> dict[str, Any]:
        self.files.append(file)
        try:
            # Some editors write a byte-order mark, which TOML does not allow.
            return tomllib.loads(file.read_bytes().decode("utf-8-sig"))
        except PermissionError as error:
            allowed = "a file that you may read: use sudo, or log in as a member of its group"
            self._add(file, "", f"no readable file ({error.strerror})", allowed)
        except OSError as error:
            self._add(file, "", f"no readable file ({error.strerror})", "a file in TOML")
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            self._add(file, f"line {line}", "bytes that are not UTF-8", "a file in UTF-8")
        except tomllib.TOMLDecodeError as error:
            what, _, place = str(error).rpartition(" (at ")
            if not what:
                what, place = str(error), ""
            self._add(file, place.rstrip(")"), *_worded(what))
        self.incomplete = True
        return {}

    def _join(
        self, into: dict[str, Any], data: dict[str, Any], file: Path, at: tuple[str, ...]
    ) -> None:
        for key, value in data.items():
            path = (*at, key)
            here = into.get(key)
            if key not in into:
                self._origin[path] = file
                if isinstance(value, dict):
                    into[key] = {}
                    self._join(into[key], value, file, path)
                else:
                    into[key] = self._anchored(path, value, file)
            elif isinstance(value, dict) and isinstance(here, dict):
                self._join(here, value, file, path)
            else:
                found = f"the same key again, already in {self._origin[path]}"
                self._add(file, dotted(path), found, "each key once")

    def _anchored(self, path: KeyPath, value: Any, file: Path) -> Any:
        """Makes a path absolute; it is relative to the file with the key."""
        field = field_at(path)
        if field is None or not isinstance(value, str):
            return value
        kinds = _kinds(field.annotation)
        if Path in kinds and value:
            return str(file.parent / value)
        if SecretStr in kinds and value.startswith("file:"):
            secret = file.parent / value.removeprefix("file:")
            self.secrets.append(secret)
            return f"file:{secret}"
        return value


def _kinds(annotation: Any) -> set[Any]:
    """The plain types in an annotation."""
    if get_origin(annotation) in (Union, UnionType):
        return set().union(*map(_kinds, get_args(annotation)))
    if hasattr(annotation, "__metadata__"):
        return _kinds(get_args(annotation)[0])
    return {annotation}


def _fields(table: type[Table]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in table.model_fields.items()}


def table_at(path: KeyPath) -> type[Table] | None:
    """The model of the table at ``path``; None if there is no table."""
    table: type[Table] = Settings
    parts = list(path)
    while parts:
        part = parts.pop(0)
        if table is Settings and part == "accounts":
            if not parts:
                return None
            parts.pop(0)
            table = AccountSettings
            continue
        field = _fields(table).get(str(part))
        inner = [k for k in _kinds(field.annotation) if isinstance(k, type)] if field else []
        tables = [kind for kind in inner if issubclass(kind, Table)]
        if not tables:
            return None
        table = tables[0]
    return table


def field_at(path: KeyPath) -> FieldInfo | None:
    """The model's field for the key at ``path``, which may be an item of the key's list."""
    while path and isinstance(path[-1], int):
        path = path[:-1]
    table = table_at(path[:-1]) if path else None
    return _fields(table).get(str(path[-1])) if table else None


def _range(field: FieldInfo | None) -> str:
    """The field's range in words, such as `` from 1 to 1000``."""
    limits = {
        name: getattr(constraint, name)
        for constraint in (field.metadata if field else ())
        for name in ("ge", "gt", "le")
        if hasattr(constraint, name)
    }
    if "ge" in limits and "le" in limits:
        return f" from {limits['ge']} to {limits['le']}"
    if "ge" in limits:
        return f", {limits['ge']} or more"
    return f" above {limits['gt']}" if "gt" in limits else ""


def _nearest(path: KeyPath) -> str:
    """Suggestions for the unknown key at ``path``."""
    key = str(path[-1])
    table = table_at(path[:-1]) or Settings
    known = [name for name in _fields(table) if not (table is Settings and name == "include")]
    if near := get_close_matches(key.lower().replace("-", "_"), known, 1, 0.6):
        return f"{dotted((*path[:-1], near[0]))} (the nearest known key)"
    homes = [
        dotted((name, key))
        for name in _fields(Settings)
        if (home := table_at((name,))) is not None and key in _fields(home)
    ]
    if key in _fields(AccountSettings):
        homes.append(f"accounts.<name>.{key}")
    if homes:
        return " or ".join(homes)
    return "one of " + ", ".join(sorted(known))


def _says(error: ErrorDetails) -> tuple[str, str]:
    """The found and the allowed values, from one of pydantic's errors."""
    path: KeyPath = tuple(error["loc"])
    kind = error["type"]
    if kind == "extra_forbidden":
        return "an unknown key", _nearest(path)
    field = field_at(path)
    context = error.get("ctx", {})
    number = field is not None and int in _kinds(field.annotation)
    if kind == "value_error":
        allowed = str(context["error"])
    elif kind in ("literal_error", "enum"):
        allowed = str(context["expected"]).replace("'", '"')
    elif kind == "string_too_long":
        allowed = f"at most {context['max_length']} characters"
    elif kind in ("int_type", "float_type", "finite_number"):
        allowed = _ALLOWED["int_type" if number else "float_type"] + _range(field)
    elif kind.startswith(("greater_than", "less_than")):
        if isinstance(error["input"], str):
            allowed = f"a duration longer than {_show(error['input'])}"
        else:
            allowed = _ALLOWED["int_type" if number else "float_type"] + _range(field)
    else:
        allowed = _ALLOWED.get(kind, error["msg"])
    return _found(error, field), allowed


def _found(error: ErrorDetails, field: FieldInfo | None) -> str:
    value = error["input"]
    if field is not None and SecretStr in _kinds(field.annotation):
        return "a secret that cannot be read" if isinstance(value, str) else "something else"
    if error["type"] in ("model_type", "dict_type") and not isinstance(value, dict | list):
        # A key may stand in the place of a table.
        return "a single value"
    return _show(value)


def _remove(data: dict[str, Any], path: KeyPath) -> None:
    """Removes the key at ``path`` from ``data``; an item with its whole list."""
    table: Any = data
    for part in path[:-1]:
        inner = table.get(part)
        if not isinstance(inner, dict):
            table.pop(part, None)
            return
        table = inner
    table.pop(path[-1], None)


def _validate(files: _Files, context: Any) -> tuple[Settings, set[KeyPath]]:
    """The settings without the wrong keys, and the paths of these keys."""
    try:
        return Settings.model_validate(files.data, context=context), set()
    except ValidationError as error:
        errors = error.errors(include_url=False)
    wrong: set[KeyPath] = set()
    for one in errors:
        path = tuple(one["loc"])
        files.mistakes.append(Mistake(files.origin(path), dotted(path), *_says(one)))
        wrong.add(path)
        _remove(files.data, path)
    return Settings.model_validate(files.data, context=context), wrong


def _related(path: KeyPath, wrong: set[KeyPath]) -> bool:
    """Whether the same table has another mistake, so that a rule may report a false one."""
    depth = 2 if path[0] == "accounts" else 1
    return any(path[:depth] == other[: min(depth, len(other))] for other in wrong)


def _where(path: Path | None) -> Path:
    if path is not None:
        return path
    named = os.environ.get("CASCADE_BRIDGE_CONFIG")
    return Path(named) if named else DEFAULT


def _missing(file: Path) -> bool:
    """Whether there is no such file; unknown in a folder that this user may not enter."""
    try:
        file.stat()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return False


def read(path: Path | None, *, secrets: bool = True) -> Settings:
    """Reads, joins and checks; see :func:`bridge.config.settings.load`."""
    main = _where(path)
    files = _Files()
    files.read(main)
    if not files.data and files.mistakes:
        if path is None and _missing(main):
            named = "a configuration file there, or --config FILE, or $CASCADE_BRIDGE_CONFIG"
            raise ConfigError([files.mistakes[0]._replace(allowed=named)])
        raise ConfigError(files.mistakes)
    settings, wrong = _validate(files, None if secrets else WITHOUT_SECRETS)
    for where, found, allowed in () if files.incomplete else find_mistakes(settings):
        if not _related(where, wrong):
            files.mistakes.append(Mistake(files.origin(where), dotted(where), found, allowed))
    if files.mistakes:
        raise ConfigError(files.in_order(), settings)
    settings._files = (*files.files, *files.secrets)
    return settings
