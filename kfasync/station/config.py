"""The configuration of a station: one TOML file, read strictly."""

import hashlib
import re
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

import msgspec

from kfasync.contracts.crypto import CryptoPath
from kfasync.contracts.klms import TTL_MAX_S
from kfasync.core.profile import CardProfile, UidSource
from kfasync.crypto.choose import choose
from kfasync.crypto.openssl import OpensslAes
from kfasync.errors import ConfigError
from kfasync.model import KeySet
from kfasync.station import toml
from kfasync.station.keys import KeysSection
from kfasync.station.start import ShiftSection
from kfasync.station.web import WebSection

SIMULATED = "simulated"
TTL_MIN_S = 3  # a lease that a fob may take 2 s of, with a second to come

TEMPLATE = """\
# A kfasync station. Relative paths are relative to this file.

[station]                         # language = "de": board and advice in German, records in English
id = "EOL-01"                     # names this station in every record
data_dir = "var"                  # ledger and audit log; one station at a time
# card_timeout_s = 10.0           # a card that is silent for longer is cut off

[card]                            # or: profile = "card.toml", a file with these keys
aid = "A000000857"
key_version = 255                 # 0 = the card's first
security_level = "01"             # "01" "03" "11" "13" "33"; at "01" the BLE IRK goes in clear
scp03_mode = "S8"                 # "S8" "S16"
layout = "auto"                   # "auto" "gp" "rev3"
# block_size = 245                # plain bytes in one STORE DATA; default: 245 or the most that fit
# store_data_p1 = "00"            # some cards want "88"
# store_data_last_p1 = "80"
# uid_source = "get-data"         # "get-data" "key-diversification-data" "cplc"
# uid_padding = "raw"             # "raw" "left" "right": to 10 bytes, for key diversification
# sequence_counter = "unknown"    # "initialize-update" "external-authenticate": when it counts
# challenge_aid = ""              # where the card's pseudo-random challenge is over another AID
# post_personalization = ["00DB0000030A0101", "00DB0000030B0101"]

# [[lane]]                        # none: every PC/SC reader; scout = true: one that only reads UIDs
# reader = "ACS ACR1252 [00 00]"  # as `kfasync readers` prints it, or "simulated"

[source]
kind = "containers"
path = "fixtures/containers"      # tied to this data_dir by its first start; back both up
certificates = "fixtures/certificates"

[source.keys]                     # development samples (OEF B212) only
enc = "8b4b8d7ec45dfa503a35f6df8f6bbdd9"
mac = "42fd95e83821260c5b90463af7996313"
dek = "1b988a47ac94632f7020734ca172eed8"
# kcv = { enc = "...", mac = "...", dek = "..." }   # checked before a card sees anything

# [source]                        # or: from the vendor's library
# kind = "provider"
# library = "/opt/vendor/libprovider.so"          # an absolute path
# sha256 = "..."                  # of that file; another one is refused
# in_process = false              # true: no worker process between it and the station
# deadline_s = 5.0                # for each of its calls
# config = { }                    # handed to the library as JSON

# [source]                        # or: from a key server (KLMS) over mutual TLS 1.3
# kind = "klms"
# url = "https://klms.example:8443"
# ca = "pki/ca.pem"               # of the server's certificate
# certificate = "pki/EOL-01.pem"  # this station's; its subjectAltName names station.id
# key = "pki/EOL-01.key"
# ttl_s = 5                       # of a lease, 3 or more; default: what the server gives
# deadline_s = 10.0               # for a lease with all its tries

[crypto]
path = "auto"                     # "auto" "native" "cryptography" "pure"
# locked_memory = "required"      # "preferred": the native path goes on without

# [web]                           # the operator's page; without this section there is none
# host = "127.0.0.1"              # an address that others can reach takes what is below
# port = 8857
# names = ["eol-01.example"]      # host names by which browsers call it, besides its address
# certificate = "pki/page.pem"
# key = "pki/page.key"
# token = "..."                   # `openssl rand -hex 32`; the page is then at https://.../#token=...
# lead_pin = "..."                # `kfasync config pin` prints it; with it lanes are resumed there

# [shift]                         # what is checked before a batch; without it nothing is asked for
# golden = ["04A1B2C3D4E5F6"]     # UIDs of finished fobs that have to be found good
# known_bad = ["04A1B2C3D4E5F7"]  # of fobs that have to be refused; none of either is ever written
# every_fobs = 2000               # both are due at the start, after so many fobs
# every_hours = 12.0              # and after so many hours
# keys = { enc = "...", mac = "...", dek = "..." }   # of these fobs; default: those of the source
"""


class StationSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[station]``."""

    id: str
    data_dir: str = "var"
    card_timeout_s: float = 10.0
    language: Literal["en", "de"] = "en"

    def __post_init__(self) -> None:
        if not self.id.strip():
            raise ValueError("id is empty; it names this station in every record")
        if not 0 < self.card_timeout_s <= 600:
            raise ValueError(f"card_timeout_s {self.card_timeout_s} is not above 0 and up to 600")


class LaneSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[[lane]]``; a scout is a reader that has no lane and only reads UIDs of fobs to come."""

    reader: str
    scout: bool = False

    def __post_init__(self) -> None:
        if self.scout and self.reader == SIMULATED:
            raise ValueError("scout = true is for a real reader; simulated fobs are announced")


class ContainersSection(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="containers"
):
    """``[source]`` of kind ``containers``."""

    path: str
    certificates: str
    keys: KeysSection


class ProviderSection(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="provider"
):
    """``[source]`` of kind ``provider``; ``config`` is the library's own affair."""

    library: str
    sha256: str
    in_process: bool = False
    deadline_s: float = 5.0
    config: dict[str, Any] = {}

    def __post_init__(self) -> None:
        if not Path(self.library).is_absolute():
            raise ValueError(f"library {self.library!r} is not an absolute path")
        if not re.fullmatch("[0-9A-Fa-f]{64}", self.sha256):
            raise ValueError("sha256 is not 64 hex digits; `sha256sum` prints them")
        if not 0 < self.deadline_s <= 600:
            raise ValueError(f"deadline_s {self.deadline_s} is not above 0 and up to 600")


class KlmsSection(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="klms"
):
    """``[source]`` of kind ``klms``."""

    url: str
    ca: str
    certificate: str
    key: str
    ttl_s: int | None = None
    deadline_s: float = 10.0

    def __post_init__(self) -> None:
        if not _is_https_host(self.url):
            raise ValueError(
                f"url {self.url!r} is not https://HOST or https://HOST:PORT and nothing more"
            )
        if self.ttl_s is not None and not TTL_MIN_S <= self.ttl_s <= TTL_MAX_S:
            raise ValueError(f"ttl_s {self.ttl_s} is not from {TTL_MIN_S} to {TTL_MAX_S}")
        if not 0 < self.deadline_s <= 600:
            raise ValueError(f"deadline_s {self.deadline_s} is not above 0 and up to 600")


class CryptoSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[crypto]``; a tier of the native path can be forced by its whole name."""

    path: Literal[
        "auto",
        "native",
        "native-aesni",
        "native-armv8",
        "native-portable",
        "cryptography",
        "pure",
    ] = "auto"
    locked_memory: Literal["required", "preferred"] = "required"

    def choose(self) -> CryptoPath:
        """The path that is asked for.

        Raises:
            CryptoPathError: it is not to be had here.
        """
        return choose(self.path, unlocked_allowed=self.locked_memory == "preferred")


class StationConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole configuration."""

    station: StationSection
    source: ContainersSection | ProviderSection | KlmsSection
    card: CardProfile = CardProfile()
    lane: tuple[LaneSection, ...] = ()
    crypto: CryptoSection = CryptoSection()
    web: WebSection | None = None
    shift: ShiftSection | None = None

    def __post_init__(self) -> None:
        if self.shift is not None and self.shift.references and self.reference_keys is None:
            raise ValueError(
                "shift has reference fobs and no keys for them: with this kind of source, "
                "[shift.keys] has to say what they are"
            )
        if self.scouts and self.card.uid_source is UidSource.KEY_DIVERSIFICATION_DATA:
            raise ValueError(
                "scout = true needs a UID that can be read without a session, and uid_source is "
                "key-diversification-data"
            )

    @property
    def lanes(self) -> tuple[str, ...]:
        """The readers that have a lane; none for every reader that is no scout."""
        return tuple(one.reader for one in self.lane if not one.scout)

    @property
    def reference_keys(self) -> KeysSection | None:
        """The static keys of the reference fobs; None where nothing says what they are."""
        if self.shift is not None and self.shift.keys is not None:
            return self.shift.keys
        return self.source.keys if isinstance(self.source, ContainersSection) else None

    @property
    def scouts(self) -> tuple[str, ...]:
        """The readers that only read UIDs."""
        return tuple(one.reader for one in self.lane if one.scout)

    @classmethod
    def parse(cls, text: str, directory: Path, name: str) -> Self:
        """Read a configuration; ``name`` is what messages call it.

        Raises:
            ConfigError: it is not TOML, or a key is unknown, missing or wrong.
        """
        table = toml.parse(text, name)
        card = table.get("card", {})
        if isinstance(card, dict) and "profile" in card:
            table["card"] = _profile_file(card, directory, text, name)
        return toml.convert(table, cls, text, name)

    def reference_key_set(self) -> KeySet | None:
        """The static keys of the reference fobs, where there are any."""
        keys = self.reference_keys
        if keys is None or self.shift is None or not self.shift.references:
            return None
        return keys.key_set(self.card.key_version, OpensslAes())

    def key_set(self) -> KeySet:
        """The static keys of every fob, where the configuration holds them.

        Raises:
            ConfigError: they come with each fob's content.
        """
        if not isinstance(self.source, ContainersSection):
            raise ConfigError(
                "source.kind",
                "the keys of a simulated fob are those of [source.keys], which this kind of source "
                "does not have",
            )
        return self.source.keys.key_set(self.card.key_version, OpensslAes())


class LoadedConfig(msgspec.Struct, frozen=True):
    """A configuration with the place it was read from."""

    config: StationConfig
    directory: Path
    sha256: str

    def resolve(self, path: str) -> Path:
        """A path of the configuration, relative to its file."""
        return self.directory / path


def load(path: Path) -> LoadedConfig:
    """Read a configuration file.

    Raises:
        ConfigError: it cannot be read, or :meth:`StationConfig.parse` refuses it.
    """
    text = toml.read(path, "configuration", "make one with `kfasync config template`")
    config = StationConfig.parse(text, path.parent, str(path))
    digest = hashlib.sha256(text.encode()).hexdigest()
    return LoadedConfig(config, path.resolve().parent, digest)


def _profile_file(card: dict[str, Any], directory: Path, text: str, name: str) -> Any:
    others = sorted(set(card) - {"profile"})
    if others:
        key = f"card.{toml.unquoted(others[0])}"
        raise ConfigError(
            key,
            f"{name}{toml.line_of(text, ['card', others[0]])}: {key} stands beside card.profile; "
            "put it into the profile file",
        )
    if not isinstance(card["profile"], str):
        raise ConfigError("card.profile", f"{name}: card.profile is not the name of a file")
    path = directory / card["profile"]
    profile_text = toml.read(path, "card profile", "card.profile names it, relative to that file")
    table = toml.parse(profile_text, str(path), "card.profile")
    # Refused here already, so that the message names the profile's own file and line.
    toml.convert(table, CardProfile, profile_text, str(path))
    return table


def _is_https_host(url: str) -> bool:
    """Whether it is ``https://HOST`` or ``https://HOST:PORT``, and nothing more but a slash."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return False
    return (
        url.isascii()
        and parts.scheme == "https"
        and bool(host)
        and port != 0
        and not parts.path.strip("/")
        and not any((parts.username, parts.password, parts.query, parts.fragment))
    )
