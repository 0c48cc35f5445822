"""Keys at a board; the terminal is a real one (pty)."""

import os
import pty
import sys
import termios

import anyio
import pytest

from kfasync.cli.keyboard import ResumePrompt, watch
from tests.station.desks import PATIENCE_S


class Typed:
    def __init__(self, *stopped: int) -> None:
        self.resumed: list[int] = []
        self.shown = ""
        self._prompt = ResumePrompt(lambda: list(stopped), self.resumed.append, self._show)

    def _show(self, words: str) -> None:
        self.shown = words

    def type(self, keys: str) -> None:
        for key in keys:
            self._prompt.press(key)


def test_the_one_stopped_lane_is_resumed_by_r_and_enter() -> None:
    typed = Typed(3)
    typed.type("r")
    assert typed.shown.startswith("resume lane 3_")
    assert typed.resumed == []
    typed.type("\r")
    assert (typed.resumed, typed.shown) == ([3], "")


def test_with_several_a_number_is_typed_and_can_be_mended() -> None:
    typed = Typed(3, 12)
    typed.type("R13\x7f2\n")
    assert typed.resumed == [12]


@pytest.mark.parametrize("keys", ["3\r", "\r", "rx\r", "r\x1b3\r", "r\r"])
def test_nothing_is_resumed_by_accident(keys: str) -> None:
    typed = Typed(3, 12)
    typed.type(keys)
    assert (typed.resumed, typed.shown) == ([], "")


def test_where_no_lane_is_stopped_nothing_is_asked() -> None:
    typed = Typed()
    typed.type("r1\r")
    assert (typed.resumed, typed.shown) == ([], "")


@pytest.mark.anyio
async def test_without_a_terminal_there_are_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.devnull) as nothing:  # noqa: ASYNC230, PTH123  # what a service has
        monkeypatch.setattr(sys, "stdin", nothing)
        with anyio.fail_after(PATIENCE_S):
            await watch(lambda key: None)


@pytest.mark.anyio
async def test_keys_come_one_by_one_and_the_terminal_is_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    master, slave = pty.openpty()
    keys, enough = list[str](), anyio.Event()

    def press(key: str) -> None:
        keys.append(key)
        if key == "!":
            enough.set()

    with os.fdopen(slave) as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        # Of this test's session it is not the terminal, so nobody is its foreground.
        monkeypatch.setattr(os, "tcgetpgrp", lambda descriptor: os.getpgrp())
        before = termios.tcgetattr(slave)
        with anyio.fail_after(PATIENCE_S):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(watch, press)
                await anyio.wait_all_tasks_blocked()
                os.write(master, "r1ü!".encode())
                await enough.wait()
                tasks.cancel_scope.cancel()
        after = termios.tcgetattr(slave)
    os.close(master)
    assert "".join(keys) == "r1ü!"
    assert after == before
