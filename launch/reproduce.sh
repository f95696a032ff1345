#!/usr/bin/env bash
# The whole argument from nothing: five small campaigns under outputs/reproduce, and a verdict on each claim, on the
# terminal as soon as its records are there, and in outputs/reproduce/report.html. Stopped and started again, it
# continues: nothing is computed twice.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
./launch/setup.sh
export PATH="$PWD/.venv/bin:$PATH"
export SPINODAL_OUTPUTS="${SPINODAL_OUTPUTS:-outputs}/reproduce"

step=0
run() {
    step=$((step + 1))
    echo "── $step of 7, after $((SECONDS / 60)) min $((SECONDS % 60)) s: spinodal run $*"
    spinodal run "$@" logger=none hydra/launcher=local
}
claims() {
    echo "── claims that $1 decides, after $((SECONDS / 60)) min $((SECONDS % 60)) s"
    spinodal report "$SPINODAL_OUTPUTS/$1" --claims
}

run experiment=order 'seed=[0,1,2]' model.depth=2,3,4 l2=geom:0.02:0.6:40 protocol.refine=3
claims order
run experiment=curvature 'seed=[0,1,2]' data.complexity=1,3 model.width=6,12 l2=geom:0.02:0.4:48
claims curvature
run experiment=complexity 'seed=[0,1,2]' model.depth=3 l2=geom:0.01:0.4:32
run experiment=digits_complexity 'seed=[0,1,2]' campaign=complexity data.complexity=1,2,3,4,5 model.width=8
claims complexity
run experiment=hysteresis 'seed=[0,1,2]'
claims hysteresis
run experiment=escape campaign=grokking seed=lin:0:199:200 protocol.time_step=0.25 packing.max_replicas=400 \
    'protocol.temperature=[0.0017373,0.0019854,0.0023163,0.0027796]'
run experiment=grokking 'seed=[0,1,2,3]' l2=1e-4 data.fraction=0.8 protocol.steps=8000 packing.max_replicas=2
claims grokking
echo "── verdicts, after $((SECONDS / 60)) min $((SECONDS % 60)) s"
spinodal report "$SPINODAL_OUTPUTS"
