#!/usr/bin/env bash
# Measured against predicted: number, place, order and hysteresis of transitions, on linear teachers and on real digits,
# at other depths, widths and numbers of samples. Two processes at a time; ends with a report for each experiment.
# Started again, it continues: what is done is not computed twice. On a cluster's login node:
#   launch/transitions.sh hydra/launcher=slurm hydra.launcher.wait=true
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
./launch/setup.sh
export PATH="$PWD/.venv/bin:$PATH"

[[ $# != 0 ]] || set -- hydra/launcher=local
experiments=(complexity order order_width order_samples hysteresis coexistence digits_complexity)
for experiment in "${experiments[@]}"; do
    echo "── $experiment"
    spinodal run experiment="$experiment" "$@"
done
for experiment in "${experiments[@]}"; do
    spinodal report "outputs/$experiment"
done
