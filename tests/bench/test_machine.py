import platform

import cryptography

from kfasync.bench.machine import this_machine, version_of


def test_a_machine_says_what_it_is_and_what_runs_on_it() -> None:
    machine = this_machine()
    assert machine.cpu
    assert platform.python_version() in machine.python
    assert machine.versions["cryptography"] == cryptography.__version__
    assert machine.openssl.count(" ") == 1  # name and version, and no date


def test_what_is_not_installed_has_no_version() -> None:
    assert version_of("no-such-package-as-this") is None
