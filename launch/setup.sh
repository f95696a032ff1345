#!/usr/bin/env bash
# Makes .venv and installs spinodal into it, pinned by launch/constraints.txt; quick when nothing has changed.
# The other scripts call it first. By hand, `./launch/setup.sh test` installs what the tests need, too.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case ${1:-} in
    "") target="." ;;
    test) target=".[test]" ;;
    *) echo "usage: launch/setup.sh [test]" >&2; exit 2 ;;
esac

# The stamp says what was installed, and where: a copied .venv does not work elsewhere.
stamp=.venv/installed
wanted="$PWD $(cat pyproject.toml launch/constraints.txt | cksum)"
for done in "$wanted .[test]" "$wanted $target"; do
    if [[ -x .venv/bin/spinodal && -f $stamp && $(<"$stamp") == "$done" ]]; then
        exit 0
    fi
done

python=
for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
if [[ -z $python ]]; then
    echo "set-up: needs Python 3.11 or newer; set PYTHON to one." >&2
    exit 1
fi

if ! .venv/bin/python -c 'import pip' 2>/dev/null; then
    echo "set-up: making .venv with $("$python" --version)"
    "$python" -m venv .venv
fi
echo "set-up: installing spinodal and the packages of launch/constraints.txt into .venv (minutes, the first time)"
.venv/bin/python -m pip install -qq --disable-pip-version-check -c launch/constraints.txt -e "$target"
echo "$wanted $target" > "$stamp"
