"""The reference server, as tests/klms has it."""

from tests.klms.conftest import _filled, directory, server  # noqa: F401  # fixtures
