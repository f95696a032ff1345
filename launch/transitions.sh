#!/usr/bin/env bash
# Measured against predicted: number, place, order and hysteresis of transitions, on linear teachers and on real digits,
# at other depths, widths and numbers of samples. Two processes at a time; ends with a report for each experiment.
# Started again, it continues: what is done is not computed twice.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
./launch/setup.sh
export PATH="$PWD/.venv/bin:$PATH"

experiments=(complexity order order_width order_samples hysteresis coexistence digits_complexity)
for experiment in "${experiments[@]}"; do
    echo "── $experiment"
    spinodal run experiment="$experiment" hydra/launcher=local
done
for experiment in "${experiments[@]}"; do
    spinodal report "outputs/$experiment"
done
