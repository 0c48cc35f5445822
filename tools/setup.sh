#!/bin/sh
# Sets up this checkout on a Debian machine and says what it does: packages that are missing,
# a virtual environment in .venv, and in it kfasync with what it needs to be tested.
# Run again, it does only what is left to do. Its argument says what for: demo, test or native.
set -eu
cd "$(dirname "$0")/.."

case ${1-test} in
    demo) purposes=' demo ' ;;
    test) purposes=' demo test ' ;;
    native) purposes=' demo test native ' ;;
    *) echo "setup: for demo, test or native, not for $1" >&2 && exit 2 ;;
esac

missing=
while read -r package purpose needed; do
    case $package in '' | '#'*) continue ;; esac
    case $purposes in *" $purpose "*) ;; *) continue ;; esac
    sh -c "$needed" >/dev/null 2>&1 </dev/null || missing="$missing $package"
done <tools/debian-packages.txt

if [ -n "$missing" ]; then
    echo "setup: installing Debian packages:$missing"
    if ! command -v apt-get >/dev/null; then
        echo "setup: this machine has no apt-get; install what those packages are called here" >&2
        exit 1
    fi
    sudo=
    if [ "$(id -u)" != 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "setup: have an administrator run this once, then start again:" >&2
            echo "    apt-get install -y --no-install-recommends$missing" >&2
            exit 1
        fi
        sudo=sudo
    fi
    log=$(mktemp)
    # shellcheck disable=SC2086  # one word a package
    if ! { $sudo apt-get update && DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y \
        --no-install-recommends $missing; } >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        echo "setup: that did not work; have an administrator run this once, then start again:" >&2
        echo "    apt-get install -y --no-install-recommends$missing" >&2
        exit 1
    fi
    rm -f "$log"
fi

python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "setup: kfasync needs Python 3.11 or later, $(python3 --version) is what is here" >&2
    exit 1
}

wanted=$(cat pyproject.toml tools/setup.sh | sha256sum | cut -d' ' -f1)-$(pwd)
built=$(cat setup.py build_native.py native/include/* native/src/* | sha256sum | cut -d' ' -f1)
built=$built-${KFASYNC_NATIVE-1}
if [ "$(cat .venv/setup-done 2>/dev/null)" != "$wanted" ]; then
    echo "setup: making .venv ($(python3 --version)) and installing kfasync with its dependencies"
    rm -f kfasync/_kf_*
    python3 -m venv --clear .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
    echo "$built" >.venv/native-done
    echo "$wanted" >.venv/setup-done
elif [ "$(cat .venv/native-done 2>/dev/null)" != "$built" ]; then
    echo "setup: building the C core"
    rm -f kfasync/_kf_*
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
    echo "$built" >.venv/native-done
fi
