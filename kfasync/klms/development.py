"""A directory to try a KLMS with: PKI, master key, ``klms.toml`` and a matching ``station.toml``.

Mutual TLS is on from the first minute, because nobody would switch it on later.
"""

import re
import secrets
from pathlib import Path

import msgspec

from kfasync.errors import ConfigError
from kfasync.klms.config import LoadedKlms, load
from kfasync.klms.pki import Authority, Purpose, write_new, write_pair
from kfasync.secret import Secret

CONFIG, STATION_CONFIG = "klms.toml", "station.toml"
EXPIRED, REVOKED = "expired", "revoked"
_SERVER_NAMES = ("localhost", "127.0.0.1")
_TOKEN, _LABEL = "kfasync-development", "kfasync master"
# A name that is a file's name as well, on every system.
_STATION = re.compile("[0-9A-Za-z][0-9A-Za-z._-]{0,63}")
_TAKEN = ("ca", "server", "crl", EXPIRED, REVOKED)

_KLMS_TOML = """\
# The reference KLMS of kfasync. Relative paths are relative to this file.

[server]
host = "127.0.0.1"
port = {port}                       # 0: any free one
certificate = "pki/server.pem"
key = "pki/server.key"
ca = "pki/ca.pem"                 # of the stations' certificates
crl = "pki/crl.pem"               # read again when it changes, as the certificates are

[pool]
file = "pool.sqlite"              # filled with `kfasync klms import`

[lease]
ttl_s = 5                         # of a lease whose request asks for nothing
ttl_max_s = 120                   # the most that a request gets

[keys]
kvn = 255                         # version of the static keys on the fobs
uid_padding = "raw"               # "raw" "left" "right": to 10 bytes, before keys are derived
length_field = true               # KDF3 with the bits of the key at the end
"""
_MASTER_TOML = """\
master = "master.key"             # hex digits; a token is the better place: [hsm]
"""
_HSM_TOML = """\

[hsm]
module = "{module}"
token = "{token}"
label = "{label}"
pin_file = "token/pin"
softhsm_conf = "token/softhsm2.conf"    # of SoftHSM only
"""
_STATION_TOML = """\
# A station that gets its content from the KLMS in this directory.

[station]
id = "{station}"
data_dir = "var"

[source]
kind = "klms"
url = "https://localhost:{port}"
ca = "pki/ca.pem"
certificate = "pki/{station}.pem"
key = "pki/{station}.key"
"""


class Plan(msgspec.Struct, frozen=True):
    """What is to be made.

    Attributes:
        master: the master key; None for a new one.
        module: SoftHSM's library; None to keep the master key in a file.
    """

    stations: tuple[str, ...] = ("EOL-01", "EOL-02")
    port: int = 8443
    master: Secret | None = None
    module: Path | None = None


def make(directory: Path, plan: Plan) -> LoadedKlms:
    """Make everything and read it back.

    Raises:
        ConfigError: the directory is not empty, a station's name cannot name a file, or the token
            cannot be made.
    """
    for station in plan.stations:
        if not _STATION.fullmatch(station) or station.lower() in _TAKEN:
            raise ConfigError(
                "station",
                f"station {station!r} cannot name a file; use up to 64 letters, digits, . _ and -, "
                f"and not {', '.join(_TAKEN)}",
            )
    if len(set(plan.stations)) != len(plan.stations) or not plan.stations:
        raise ConfigError("station", "name at least one station, and each of them once")
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise ConfigError("", f"{directory} is not empty; choose a new directory")
        _make_pki(directory / "pki", plan.stations)
        text = _KLMS_TOML.format(port=plan.port) + _make_master(directory, plan)
        write_new(directory / CONFIG, text.encode())
        station = _STATION_TOML.format(station=plan.stations[0], port=plan.port)
        write_new(directory / STATION_CONFIG, station.encode())
    except OSError as error:
        raise ConfigError("", f"{error.filename}: cannot be made ({error.strerror})") from error
    return load(directory / CONFIG)


def _make_pki(directory: Path, stations: tuple[str, ...]) -> None:
    directory.mkdir()
    authority = Authority.make()
    write_pair(directory, "ca", authority.credential)
    write_pair(
        directory,
        "server",
        authority.issue(_SERVER_NAMES[0], Purpose.SERVER, names=_SERVER_NAMES),
    )
    for station in stations:
        write_pair(directory, station, authority.station(station))
    write_pair(directory, EXPIRED, authority.expired(stations[0]))
    revoked = authority.station(stations[0])
    write_pair(directory, REVOKED, revoked)
    authority.revoke(revoked.certificate.serial_number)
    write_new(directory / "crl.pem", authority.crl())


def _make_master(directory: Path, plan: Plan) -> str:
    """The master key where it is to be, and what klms.toml says of it."""
    if plan.module is None:
        master = secrets.token_hex(32) if plan.master is None else plan.master.expose().hex()
        write_new(directory / "master.key", f"{master}\n".encode(), secret=True)
        return _MASTER_TOML
    from kfasync.klms import softhsm

    pin = secrets.token_hex(8)
    token = directory / "token"
    conf = softhsm.make_token(token, _TOKEN, pin=pin, so_pin=secrets.token_hex(8))
    softhsm.make_master_key(plan.module, conf, _TOKEN, _LABEL, pin, plan.master)
    write_new(token / "pin", f"{pin}\n".encode(), secret=True)
    return _HSM_TOML.format(module=plan.module, token=_TOKEN, label=_LABEL)
