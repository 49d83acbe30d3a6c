#!/bin/sh
# Make .venv with the locked versions: `sh scripts/venv.sh run` to use Barhouse, `… dev` to work on it.
# With uv where it is installed, with Python's own venv and pip where it is not.
set -eu
cd "$(dirname "$0")/.."
purpose=${1:-run}

main() {
    python=$(find_python)
    if command -v uv >/dev/null 2>&1; then
        with_uv
    else
        with_pip
    fi
    .venv/bin/python -c 'import barhouse'
    touch .venv/.ready
    [ "$purpose" = run ] || touch .venv/.ready-dev
}

find_python() {
    for candidate in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            "$candidate" -c 'import sys; print(sys.executable)'
            return
        fi
    done
}

# Without a Python of our own uv brings one. --inexact: what else is in .venv may stay.
with_uv() {
    case $purpose in
        run) set -- --no-dev --extra demo ;;
        dev) set -- --all-extras ;;
    esac
    UV_PROJECT_ENVIRONMENT=.venv uv sync --frozen --inexact --compile-bytecode ${python:+--python "$python"} "$@"
}

with_pip() {
    [ -n "$python" ] || add_python
    "$python" -c 'import ensurepip, venv' 2>/dev/null || add_venv_module
    [ -x .venv/bin/python ] || "$python" -m venv .venv
    .venv/bin/python -m pip --version >/dev/null 2>&1 || .venv/bin/python -m ensurepip --upgrade
    case $purpose in
        run) locked=requirements.lock ;;
        dev) locked=requirements-dev.lock ;;
    esac
    echo "Installing what $locked names; the first time this takes a minute or two"
    .venv/bin/python -m pip install --quiet --requirement "$locked"
    .venv/bin/python -m pip install --quiet --no-deps --editable .
}

add_python() {
    add_debian_packages python3 python3-venv
    python=$(find_python)
    [ -n "$python" ] || give_up "Barhouse needs Python 3.11 or newer, and found none. PYTHON=/path/to/python3.11 make venv names one."
}

add_venv_module() {
    add_debian_packages python3-venv
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        give_up "$python has no venv module. Install the package of your system that brings it, or name another Python: PYTHON=… make venv"
}

add_debian_packages() {
    [ -f /etc/debian_version ] || return 0
    [ "$(id -u)" = 0 ] || give_up "Barhouse needs $*: sudo apt-get install $*"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y "$@"
}

give_up() {
    echo "$1" >&2
    exit 1
}

main
