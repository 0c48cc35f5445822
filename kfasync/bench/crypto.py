"""The run: everything that this machine has, measured in one go, and what comes of it."""

import random
import time

import msgspec

from kfasync.bench import peers, software
from kfasync.bench.machine import Machine, this_machine
from kfasync.bench.ratios import FLOOR, FOB_FLOOR, Result, definitions, evaluate, with_floors
from kfasync.bench.rounds import Candidate, Family, Figure, measure
from kfasync.bench.task import Task, task
from kfasync.crypto.choose import NATIVE, choose, native_tiers
from kfasync.errors import CryptoPathError


class Field(msgspec.Struct, frozen=True):
    """Who takes part, and why somebody does not.

    Attributes:
        tiers: of the native path, the fastest first.
        why_not: no native path, no latency, no yubikit; "" where there is one.
    """

    candidates: list[Candidate]
    tiers: list[str]
    native_why_not: str = ""
    latency_why_not: str = ""
    yubikit_why_not: str = ""

    def why_not(self, name: str) -> str:
        """Why there is no figure of that name."""
        if name == peers.YUBIKIT:
            return self.yubikit_why_not
        if not self.tiers:
            return self.native_why_not
        if name in (FLOOR, FOB_FLOOR):
            return self.latency_why_not
        return f"this CPU has no tier {name.rpartition('-')[2]}"


class Report(msgspec.Struct, frozen=True):
    """One run. Times are nanoseconds for doing a piece of work once."""

    machine: Machine
    tiers: list[str]
    stream_bytes: int
    commands: int
    serial_blocks: int
    fob_serial_blocks: int
    rounds: int
    seconds: float
    figures: list[Figure]
    floor_ns: float | None
    fob_floor_ns: float | None
    results: list[Result]


def run(*, rounds: int | None, seconds: float) -> Report:
    """Measure for ``rounds``, or else for about so many seconds."""
    began = time.monotonic()
    work = task()
    taking_part = field(work)
    # Fair turns are all that is asked of this order.
    order = random.Random()  # noqa: S311
    figures, done = measure(taking_part.candidates, rounds=rounds, seconds=seconds, order=order)
    measured = {one.id: one.minimum_ns for one in figures}
    minima = with_floors(measured, work.serial_blocks, work.fob_serial_blocks)
    tiers = taking_part.tiers
    return Report(
        machine=this_machine(),
        tiers=tiers,
        stream_bytes=work.stream_bytes,
        commands=len(work.mac_lengths),
        serial_blocks=work.serial_blocks,
        fob_serial_blocks=work.fob_serial_blocks,
        rounds=done,
        seconds=time.monotonic() - began,
        figures=figures,
        floor_ns=minima.get(FLOOR),
        fob_floor_ns=minima.get(FOB_FLOOR),
        results=[
            evaluate(ratio, minima, taking_part.why_not)
            for ratio in definitions(tiers[0] if tiers else NATIVE)
        ],
    )


def field(work: Task) -> Field:
    """Everybody who can be measured here. All of them have said the same to the card."""
    candidates = list(software.candidates(work))
    yubikit_why_not = latency_why_not = ""
    try:
        candidates.append(peers.yubikit(work))
    except CryptoPathError as error:
        yubikit_why_not = str(error)
    tiers, native_why_not = native_tiers()
    if tiers:
        from kfasync.bench import native

        for tier in tiers:
            # Keys that are made up need no locked memory.
            path = choose(f"{NATIVE}-{tier}", unlocked_allowed=True)
            candidates.append(software.product(path, Family.NATIVE, work))
            candidates += native.candidates(work, tier, finely=tier == tiers[0])
        candidates.append(native.wipe())
        try:
            candidates.append(native.latency())
        except CryptoPathError as error:
            latency_why_not = str(error)
    return Field(candidates, tiers, native_why_not, latency_why_not, yubikit_why_not)
