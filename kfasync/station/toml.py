"""TOML that people write, taken strictly: what is wrong is named with file, line and key.

No message repeats a value, nor a key that could be a secret on the wrong side of an equals sign.
"""

import enum
import re
import tomllib
import typing
from collections import Counter
from pathlib import Path
from typing import Any, Literal, TypeGuard, TypeVar

import msgspec

from kfasync.errors import ConfigError
from kfasync.secret import Secret

T = TypeVar("T")


def read(path: Path, what: str, way_out: str) -> str:
    """The text of a file; ``what`` it is and the ``way_out`` are said when there is none.

    Raises:
        ConfigError: it cannot be read, is empty, or is no UTF-8.
    """
    try:
        # With or without the mark that editors of Windows put at the beginning.
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise ConfigError(
            "", f"{what} {path} cannot be read ({error.strerror}); {way_out}"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            "", f"{what} {path} is not UTF-8 text; save it as UTF-8, not as UTF-16 or ANSI"
        ) from error
    if not text.strip():
        raise ConfigError("", f"{what} {path} is empty; {way_out}")
    return text


def parse(text: str, name: str, key: str = "") -> dict[str, Any]:
    """The table of a file; ``key`` is what the error is about.

    Raises:
        ConfigError: it is not TOML.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(key, f"{name}: not TOML: {unquoted(str(error))}") from None


def convert(table: Any, kind: type[T], text: str, name: str) -> T:
    """A table as the struct that it should be.

    Args:
        text: of the file, for the number of a line.
        name: of the file.

    Raises:
        ConfigError: a key is unknown, missing or wrong.
    """
    try:
        return msgspec.convert(table, kind, dec_hook=_secret)
    except msgspec.ValidationError as error:
        sentence, _, place = str(error).partition(" - at `$")
        keys = re.findall(r"[^.\[\]`]+", place)
        # The message names the offending key itself, or begins with it.
        word = re.search(r"`(\w+)`$", sentence) if "field" in sentence else None
        first = sentence.split(" ", 1)[0]
        if word is not None:
            keys.append(word[1])
        elif first.islower() and re.search(rf"(?m)^\s*{re.escape(first)}\s*=", text):
            keys.append(first)
        key = ".".join(keys)
        where = f"{name}{line_of(text, keys)}"
        choice = _choice(kind, keys, table)
        said = f"{unquoted(key) or 'the file'}: {unquoted(sentence)}"
        raise ConfigError(unquoted(key), f"{where}: {said}{choice}") from None


# What no key of ours looks like, and a secret does that got to the wrong side of an equals sign.
_SECRETIVE = re.compile(r"[0-9A-Za-z+/]{16,}")


def unquoted(text: str) -> str:
    """What may hold the name of a key that somebody made up, and that may be a secret."""
    return _SECRETIVE.sub(lambda found: f"({len(found[0])} characters)", text)


def line_of(text: str, keys: list[str]) -> str:
    """`` line N`` of the deepest of the keys that is written down, or nothing."""
    found = depth = 0
    table: list[str] = []
    tables: Counter[str] = Counter()  # of each [[name]], so far
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[(\[?)([\w.\s]+)\]", line):
            path = table = [part.strip() for part in header[2].split(".")]
            if header[1]:
                path = table = [*table, str(tables[header[2]])]
                tables[header[2]] += 1
        elif key := re.match(r"\s*([\w-]+)\s*=", line):
            path = [*table, key[1]]
        else:
            continue
        if depth < len(path) and keys[: len(path)] == path:
            found, depth = number, len(path)
    return f" line {found}" if found else ""


def _choice(kind: Any, keys: list[str], table: Any) -> str:
    """What could have been written there, where that is a short list."""
    for key in keys:
        # The struct itself, or those inside of `tuple[Struct, ...]` or `Struct | Struct`.
        structs = [k for k in (kind, *typing.get_args(kind)) if _is_struct(k)]
        tags = {struct.__struct_config__.tag: struct for struct in structs}
        if key.isdigit() or not structs:
            table = None
            continue
        if key == structs[0].__struct_config__.tag_field:
            return f"; choose one of {', '.join(map(str, tags))}"
        tag = table.get(structs[0].__struct_config__.tag_field) if table else None
        fields = {f.name: f.type for f in msgspec.structs.fields(tags.get(tag, structs[0]))}
        if key not in fields:
            return f"; known here: {', '.join(fields)}"
        kind, table = fields[key], table.get(key) if isinstance(table, dict) else None
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return f"; choose one of {', '.join(str(member.value) for member in kind)}"
    if typing.get_origin(kind) is Literal:
        return f"; choose one of {', '.join(typing.get_args(kind))}"
    return ""


def _is_struct(kind: object) -> TypeGuard[type[msgspec.Struct]]:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _secret(kind: type, value: object) -> object:
    if kind is Secret and isinstance(value, str):
        return Secret.from_hex(value)
    raise ValueError("Expected hex digits in quotes")
