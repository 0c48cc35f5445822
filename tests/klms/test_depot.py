from pathlib import Path

import pytest

from kfasync.errors import ConfigError
from kfasync.klms.config import load
from kfasync.klms.depot import open_depot
from tests.klms.world import AID, PROFILE, Recipient, ServerProcess, fresh_key


@pytest.mark.parametrize(
    ("master", "sentence"),
    [
        (None, "cannot be read (No such file"),
        (b"no hex", "not a master key of 32, 48 or 64 hex digits"),
        (b"00" * 15, "not a master key"),
        (b"00" * 16, "another master key"),
        (b"\xff", "not UTF-8 text"),
    ],
)
def test_a_wrong_master_key_is_one_sentence(
    directory: Path, master: bytes | None, sentence: str
) -> None:
    path = directory / "master.key"
    path.unlink()
    if master is not None:
        path.write_bytes(master)
    with pytest.raises(ConfigError) as caught, open_depot(load(directory / "klms.toml")):
        pytest.fail("it opens")
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "0" * 30 not in str(caught.value)


def test_a_depot_reads_what_the_server_wrote(directory: Path) -> None:
    with ServerProcess(directory) as server, server.client() as station:
        body = Recipient().request("04010203")
        fesn = station.post("/v1/leases", json=body, headers=fresh_key()).json()["container"][
            "fesn"
        ]
        with open_depot(load(directory / "klms.toml")) as depot:
            (held,) = depot.standing.held(0)
            assert (held.uid, held.aid, held.fesn) == ("04010203", AID, fesn)
            assert depot.standing.counts(PROFILE).leased == 1
