"""``klms.toml``: the configuration of the reference KLMS, read strictly."""

import re
import tomllib
from pathlib import Path
from typing import Annotated

import msgspec

from kfasync.contracts.klms import TTL_MAX_S
from kfasync.errors import ConfigError
from kfasync.klms.kdf3 import UidPadding
from kfasync.klms.tls import TlsFiles

Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
Ttl = Annotated[int, msgspec.Meta(ge=1, le=TTL_MAX_S)]
Kvn = Annotated[int, msgspec.Meta(ge=0, le=255)]


class ServerSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[server]``."""

    certificate: str
    key: str
    ca: str
    crl: str | None = None
    host: str = "127.0.0.1"
    port: Port = 8443


class PoolSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[pool]``."""

    file: str = "pool.sqlite"


class LeaseSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[lease]``."""

    ttl_s: Ttl = 5
    ttl_max_s: Ttl = 120


class KeysSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[keys]``: how the static keys of a fob are derived; ``master`` is a file of hex digits."""

    kvn: Kvn = 255
    uid_padding: UidPadding = UidPadding.RAW
    length_field: bool = True
    master: str | None = None


class HsmSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[hsm]``: the token that has the master key."""

    module: str
    token: str
    label: str
    pin_file: str
    softhsm_conf: str | None = None


class KlmsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of the file."""

    server: ServerSection
    pool: PoolSection = PoolSection()
    lease: LeaseSection = LeaseSection()
    keys: KeysSection = KeysSection()
    hsm: HsmSection | None = None


class LoadedKlms(msgspec.Struct, frozen=True):
    """A configuration and the directory that its paths are relative to."""

    config: KlmsConfig
    directory: Path

    @property
    def tls(self) -> TlsFiles:
        """The files of ``[server]``."""
        server = self.config.server
        crl = None if server.crl is None else self.directory / server.crl
        return TlsFiles(
            certificate=self.directory / server.certificate,
            key=self.directory / server.key,
            ca=self.directory / server.ca,
            crl=crl,
        )

    @property
    def pool(self) -> Path:
        """The file of ``[pool]``."""
        return self.directory / self.config.pool.file


def load(path: Path) -> LoadedKlms:
    """Read a configuration file.

    Raises:
        ConfigError: it cannot be read, or something in it is wrong.
    """
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise ConfigError(
            "", f"{path}: cannot be read ({error.strerror}); `kfasync klms init` makes one"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError("", f"{path}: not UTF-8 text") from error
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError("", f"{path}: not TOML: {error}") from None
    try:
        config = msgspec.convert(table, KlmsConfig)
    except msgspec.ValidationError as error:
        sentence, _, place = str(error).partition(" - at `$")
        keys = re.findall(r"[^.\[\]`]+", place)
        if word := re.search(r"field `(\w+)`$", sentence):
            keys.append(word[1])
        key = ".".join(keys)
        where = _line(text, keys)
        raise ConfigError(key, f"{path}{where}: {key or 'the file'}: {sentence}") from None
    _require_one_master(config, path)
    return LoadedKlms(config, path.resolve().parent)


def _require_one_master(config: KlmsConfig, path: Path) -> None:
    if (config.hsm is None) == (config.keys.master is None):
        raise ConfigError(
            "keys.master",
            f"{path}: the master key is either in keys.master, a file of hex digits, "
            "or in the token of [hsm]; name one of the two",
        )


def _line(text: str, keys: list[str]) -> str:
    """`` line N`` of the deepest of the keys that is written down, or nothing."""
    table: list[str] = []
    found, depth = 0, 0
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[([\w.]+)\]", line):
            path = table = header[1].split(".")
        elif key := re.match(r"\s*([\w-]+)\s*=", line):
            path = [*table, key[1]]
        else:
            continue
        if depth < len(path) and keys[: len(path)] == path:
            found, depth = number, len(path)
    return f" line {found}" if found else ""
