"""What `config check --online` says of a key server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kfasync.errors import ConfigError, KlmsError, SourceUnavailableError, TrustError
from kfasync.station.inquiry import inquire
from tests.klms.world import ServerProcess
from tests.station.desks import PROFILE, furnish
from tests.station.keyserver import loaded_station, make_klms

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def klms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_klms(tmp_path_factory.mktemp("klms") / "dev", 2)


@pytest.fixture(scope="module")
def server(klms: Path) -> Iterator[ServerProcess]:
    with ServerProcess(klms) as running:
        yield running


async def test_a_server_that_is_there(server: ServerProcess, klms: Path) -> None:
    found = await inquire(loaded_station(server, klms))
    assert (found.ttl_s, found.ttl_max_s) == (5, 120)
    assert (found.pool.profile, found.pool.free) == (PROFILE, 2)
    assert found.key_store in ("memory", "pkcs11")
    assert found.warnings == ()
    assert found.took_ms > 0


async def test_a_clock_that_is_off_is_a_warning(klms: Path) -> None:
    with ServerProcess(klms, "--fault", "clock-off") as off:
        (warning,) = (await inquire(loaded_station(off, klms))).warnings
    assert "60 minutes ahead" in warning


@pytest.mark.parametrize(
    ("edits", "kind", "words"),
    [
        ({"pki/EOL-01.pem": "pki/none.pem"}, TrustError, "cannot be read"),
        ({"pki/EOL-01.key": "pki/EOL-02.key"}, TrustError, "is not the key of this station's"),
        (
            {"pki/EOL-01.pem": "pki/EOL-02.pem", "pki/EOL-01.key": "pki/EOL-02.key"},
            TrustError,
            "is for EOL-02, and station.id is EOL-01",
        ),
        (
            {"pki/EOL-01.pem": "pki/revoked.pem", "pki/EOL-01.key": "pki/revoked.key"},
            TrustError,
            "is revoked; have a new one issued",
        ),
        ({'[source]': '[card]\nname = "other"\n[source]'}, KlmsError, "there is no such profile"),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_said(
    server: ServerProcess, klms: Path, edits: dict[str, str], kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words) as caught:
        await inquire(loaded_station(server, klms, edits))
    assert caught.value.exit_code == 3  # type: ignore[attr-defined]


async def test_a_server_that_is_away(server: ServerProcess, klms: Path) -> None:
    edits = {f":{server.url.rsplit(':', 1)[1]}": ":1", "[source]": "[source]\ndeadline_s = 0.2"}
    loaded = loaded_station(server, klms, edits)
    with pytest.raises(SourceUnavailableError, match="does not answer"):
        await inquire(loaded)


async def test_a_station_without_a_server(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match='only kind = "klms" has a server'):
        await inquire(furnish(tmp_path))
