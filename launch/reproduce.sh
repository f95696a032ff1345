#!/usr/bin/env bash
# The onset of learning on a linear teacher (deep linear, then tanh) and on real digits, and a report on all three.
# Started again, it continues: what is done is not computed twice.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
./launch/setup.sh
export PATH="$PWD/.venv/bin:$PATH"

for experiment in onset onset_tanh digits; do
    spinodal run experiment="$experiment" campaign=first_light
done
spinodal report outputs/first_light
