# make demo    the whole job with nothing attached
# make test    everything that is checked; what continuous integration runs
# Both set up what is missing on a Debian machine, and say so.

.PHONY: demo test check lint unit setup bench lowest fixtures clean

demo: setup
	.venv/bin/kfasync demo --fixtures fixtures

test: setup check

check: lint unit

lint:
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy

unit:
	.venv/bin/coverage run -m pytest
	.venv/bin/coverage report --include='kfasync/core/*,kfasync/crypto/*' --fail-under=100
	.venv/bin/coverage report --fail-under=90 --skip-covered

setup:
	@sh tools/setup.sh

# The figures in the documentation.
bench: setup
	.venv/bin/python -m benchmarks.station_cpu

# The tests once more, with every direct dependency at its lower bound.
lowest: setup
	python3 -m venv --clear .venv-lowest
	python3 tools/lowest.py > .venv-lowest/constraints.txt
	.venv-lowest/bin/python -m pip install --quiet -e '.[dev]' -c .venv-lowest/constraints.txt
	.venv-lowest/bin/python -m pytest

# Makes the committed fixtures anew: other keys, the same sizes.
fixtures: setup
	.venv/bin/python fixtures/make.py --force

clean:
	rm -rf .venv .venv-lowest build *.egg-info .coverage .mypy_cache .ruff_cache .pytest_cache
