"""A report with made-up figures."""

from kfasync.bench.crypto import Report
from kfasync.bench.machine import Machine
from kfasync.bench.ratios import AESENC, FLOOR, FOB_FLOOR, definitions, evaluate, with_floors
from kfasync.bench.rounds import Family, Figure

FIGURES = [
    Figure("fob/pure", "pure Python", Family.PURE, 2_500_000, 3_000_000, 1),
    Figure("fob/cryptography-copied", "a CMAC <copied>", Family.CRYPTOGRAPHY, 45_000, 60_000, 4),
    Figure("fob/native-aesni", "one call & no more", Family.NATIVE, 3456, 4567, 64),
    Figure("whole/raw-aesni", "C alone", Family.NATIVE, 2222, 2333, 8),
    Figure("chain/raw-aesni", "C, the chain", Family.NATIVE, 1588, 1590, 8),
    Figure(AESENC, "one AESENC", Family.NATIVE, 1.25, 1.26, 8),
]
MACHINE = Machine(
    "A CPU",
    "Linux x86_64",
    "CPython 3.11.0",
    "OpenSSL 3.5.0",
    {"cryptography": "50.0.0", "yubikey-manager": None},
)


def report(figures: list[Figure] = FIGURES) -> Report:
    """As of a machine with AES-NI, without yubikit."""
    minima = with_floors({one.id: one.minimum_ns for one in figures}, 126, 132)
    results = [evaluate(one, minima, lambda name: f"no {name}") for one in definitions("aesni")]
    return Report(
        machine=MACHINE,
        tiers=["aesni", "portable"],
        stream_bytes=1709,
        commands=11,
        serial_blocks=126,
        fob_serial_blocks=132,
        rounds=42,
        seconds=20.0,
        figures=figures,
        floor_ns=minima.get(FLOOR),
        fob_floor_ns=minima.get(FOB_FLOOR),
        results=results,
    )
