# make demo            the whole job with nothing attached
# make test            everything that is checked; what continuous integration runs
# make check-native    the long checks of the C code: a million fuzzed inputs a target, other
#                      processors and Windows by emulation
# Each sets up what is missing on a Debian machine, and says so.

# Much of the tests' time is waiting, so two processes a processor do better than one. The tests
# of a file stay together, for what they share is started once in a process.
PARALLEL = -n $(shell expr 2 \* $$(getconf _NPROCESSORS_ONLN)) --dist loadfile --no-loadscope-reorder

MAKEFLAGS += --no-print-directory

.PHONY: demo test check-native check lint native unit setup bench fuzz-klms kills prefetch soak lowest fixtures clean

demo:
	@sh tools/setup.sh demo
	.venv/bin/kfasync demo --fixtures fixtures

test: setup check

check-native:
	@sh tools/setup.sh native
	$(MAKE) -C native long

check: lint native unit

lint:
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy

native:
	$(MAKE) -C native short

unit:
	.venv/bin/python -m pytest $(PARALLEL) --cov --cov-report=
	.venv/bin/coverage report --include='kfasync/core/*,kfasync/crypto/*' --fail-under=100
	.venv/bin/coverage report --fail-under=95 --skip-covered

setup:
	@sh tools/setup.sh test

# The figures in the documentation, the crypto paths beside a peer from the package index.
bench: setup
	.venv/bin/python -m benchmarks.station_cpu
	.venv/bin/python -m benchmarks.provider_call
	.venv/bin/python -m benchmarks.klms
	.venv/bin/python -m benchmarks.klms_cpu
	.venv/bin/kfasync bench pipeline --lanes 16 --fobs 320
	python3 -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet '.[bench]'
	.venv-bench/bin/kfasync bench crypto --seconds 30

# The reference key server against its interface and under SIGKILL, for longer than `make test`.
fuzz-klms: setup
	KLMS_EXAMPLES=1000 KLMS_KILLS=50 .venv/bin/python -m pytest -s \
	    tests/klms/test_schema.py tests/klms/test_sigkill.py

# A station killed at every effect and every transaction, then the same fob and another one.
kills: setup
	KILLS_STRIDE=1 .venv/bin/python -m pytest -s tests/station/test_kills.py

# Histories of fobs that are announced, come and do not come, beside the key server's own books;
# and a key server that gets slow under eight lanes.
prefetch: setup
	PREFETCH_EXAMPLES=500 PREFETCH_SLOW_S=20 .venv/bin/python -m pytest -s \
	    tests/station/test_prefetch_model.py tests/station/test_prefetch_slow.py

# A bad day on the line, of 2,000 fobs on 16 lanes and of 300 through pcscd, on each loop, and the
# auditor; SOAK_SEED=N repeats one, and another day is another seed.
soak: setup
	SOAK_SEED=$${SOAK_SEED:-$$(date +%s)} \
	    SOAK_FOBS=2000 SOAK_PCSC_FOBS=300 SOAK_LANES=16 SOAK_DOWN_S=20 \
	    SOAK_LOOPS="asyncio trio" SOAK_PCSC_LOOPS="asyncio trio" \
	    .venv/bin/python -m pytest -s tests/soak/test_day.py tests/soak/test_pcsc_day.py

# The tests once more, with every direct dependency at its lower bound.
lowest: setup
	python3 -m venv --clear .venv-lowest
	python3 tools/lowest.py > .venv-lowest/constraints.txt
	.venv-lowest/bin/python -m pip install --quiet -e '.[dev]' -c .venv-lowest/constraints.txt
	.venv-lowest/bin/python -m pytest $(PARALLEL)

# Makes the committed fixtures anew: other keys, the same sizes.
fixtures: setup
	.venv/bin/python fixtures/make.py --force

clean:
	rm -rf .venv .venv-bench .venv-lowest build *.egg-info kfasync/_kf_* .coverage .mypy_cache .ruff_cache .pytest_cache
