"""Who may import whom: never sideways, never up, and one foreign library a room."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "kfasync"
GROUND = {"kfasync.errors", "kfasync.model", "kfasync.secret"}
CORE = GROUND | {"kfasync.contracts", "kfasync.core"}
BELOW = CORE | {"kfasync.crypto", "kfasync.cards", "kfasync.sources", "kfasync.sim"}
STATION = BELOW | {"kfasync.ledger", "kfasync.audit", "kfasync.station", "kfasync.__version__"}

# What a module, or all of a room, may import besides the standard library; the most exact
# name counts. `kfasync` is the package itself, for its version.
ALLOWED = {
    "kfasync.__init__": STATION,
    "kfasync.__main__": {"kfasync.cli"},
    "kfasync.errors": GROUND,
    "kfasync.secret": GROUND,
    "kfasync.model": GROUND | {"msgspec"},
    "kfasync.contracts": GROUND | {"kfasync.contracts", "msgspec"},
    "kfasync.core": CORE | {"msgspec"},
    "kfasync.crypto": CORE | {"kfasync.crypto", "msgspec"},
    "kfasync.crypto.openssl": CORE | {"kfasync.crypto", "cryptography"},
    "kfasync.crypto.heap": CORE | {"kfasync.crypto", "cryptography"},
    "kfasync.crypto.native": CORE | {"kfasync.crypto", "kfasync._kf_core"},
    "kfasync.cards": CORE | {"kfasync.cards", "msgspec", "anyio"},
    "kfasync.cards.context": CORE | {"kfasync.cards", "msgspec", "anyio", "smartcard"},
    "kfasync.sources": CORE | {"kfasync.sources", "msgspec", "anyio", "cryptography"},
    "kfasync.sources.provider": CORE
    | {"kfasync", "kfasync.sources", "kfasync._kf_provider", "msgspec", "anyio", "cryptography"},
    "kfasync.sources.klms": CORE | {"kfasync.sources", "msgspec", "anyio", "cryptography", "httpx"},
    "kfasync.acceptance": CORE
    | {
        "kfasync.acceptance",
        "kfasync.sources.device",
        "kfasync.sources.provider.abi",
        "msgspec",
        "cryptography",
    },
    "kfasync.sim": CORE | {"kfasync.sim", "msgspec", "anyio", "cryptography"},
    "kfasync.ledger": GROUND | {"kfasync.contracts", "kfasync.ledger", "msgspec", "sqlalchemy"},
    "kfasync.audit": GROUND | {"kfasync.contracts", "kfasync.ledger", "kfasync.audit", "msgspec"},
    "kfasync.station": STATION | {"msgspec", "anyio"},
    "kfasync.bench": BELOW | {"kfasync.bench", "kfasync._kf_core", "cryptography", "msgspec"},
    "kfasync.bench.pipeline": STATION | {"kfasync.bench", "msgspec", "anyio"},
    "kfasync.klms": GROUND
    | {
        "kfasync.contracts",
        "kfasync.core.kdf",
        "kfasync.klms",
        "msgspec",
        "cryptography",
        "pkcs11",
        "starlette",
        "uvicorn",
        "h11",
        "anyio",
    },
    "kfasync.web": STATION | {"kfasync.web", "msgspec"},
    "kfasync.web.server": STATION | {"kfasync.web", "msgspec", "uvicorn"},
    "kfasync.web.protocol": {"uvicorn"},
    "kfasync.web.metrics": STATION | {"kfasync.web", "prometheus_client"},
    "kfasync.web.doorman": STATION | {"kfasync.web", "starlette"},
    "kfasync.web.lead": STATION | {"kfasync.web", "msgspec", "starlette"},
    "kfasync.web.app": STATION | {"kfasync.web", "msgspec", "starlette"},
    "kfasync.cli": STATION
    | {"kfasync", "kfasync.acceptance", "kfasync.bench", "kfasync.cli", "anyio", "typer", "rich"},
    "kfasync.cli.asked": STATION | {"kfasync.web"},
    "kfasync.cli.showroom": STATION | {"kfasync.cli", "kfasync.web", "anyio"},
    "kfasync.cli.run": STATION | {"kfasync.cli", "kfasync.web", "anyio", "typer", "rich"},
    "kfasync.cli.shift": STATION | {"kfasync.cli", "msgspec", "typer"},
    "kfasync.cli.logbook": STATION | {"kfasync.cli", "structlog"},
    "kfasync.cli.klms": STATION | {"kfasync.klms", "msgspec", "typer"},
    "kfasync.cli.samples": STATION | {"msgspec", "kfasync.klms"},
    "kfasync.cli.keyserver": STATION | {"kfasync.cli", "kfasync.klms"},
}
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if not path.name.startswith("_kf_"))


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def within(name: str, allowed: set[str]) -> bool:
    return name in allowed or any(name.startswith(f"{one}.") for one in allowed - {"kfasync"})


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_imports_only_what_its_room_may(path: Path) -> None:
    names = (name_of(path).rsplit(".", cut)[0] for cut in range(4))
    allowed = next(ALLOWED[name] for name in names if name in ALLOWED)
    foreign = {n for n in imported(path) if n.split(".")[0] not in sys.stdlib_module_names}
    assert {name for name in foreign if not within(name, allowed)} == set()
