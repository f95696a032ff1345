#!/usr/bin/env bash
# Installs what the tests need, a browser among it, and runs every gate: format, lint, types, tests. All of them run
# even if one fails; the exit status is the first failure's. Tests run in two processes, or, with arguments for pytest, in
# one: ./launch/test.sh -m slow, or -k digits.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
./launch/setup.sh test
export PATH="$PWD/.venv/bin:$PATH"

first_failure=0
gate() {
    local name=$1 status=0 start=$SECONDS
    shift
    echo "── $name"
    "$@" || status=$?
    echo "── $name: $([[ $status == 0 ]] && echo passed || echo "FAILED ($status)") in $((SECONDS - start)) s"
    [[ $first_failure != 0 ]] || first_failure=$status
}

gate browser ./launch/browser.sh
gate format ruff format --check .
gate lint ruff check .
gate types mypy
[[ $# != 0 ]] || set -- -n 2 --dist loadfile --no-loadscope-reorder
gate tests pytest -m "not slow and not benchmark" --durations=10 "$@"
exit "$first_failure"
