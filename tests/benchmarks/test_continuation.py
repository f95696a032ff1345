"""What it costs to locate jumps by continuation, to 10⁻⁹, against bisecting them to 10⁻⁴."""

import math
import time
from bisect import bisect_left
from collections import defaultdict
from itertools import pairwise
from statistics import median

import numpy as np
import pytest
import torch

from spinodal.continuation import locate
from spinodal.ensemble import Ensemble, Objective
from spinodal.networks import MLP
from spinodal.protocols import BISECTED, ExactItinerary, Itinerary
from spinodal.protocols.itinerary import JUMP
from spinodal.protocols.trajectory import up
from spinodal.tasks import digits, linear_teacher
from spinodal.training import Relaxation, RelaxationSettings
from spinodal.training.continuing import ContinuedRelaxation
from spinodal.training.descent import GradientDescent

pytestmark = pytest.mark.benchmark

NETWORKS = {
    "tanh, width 8": (lambda: linear_teacher(complexity=3, samples=64), 8, np.geomspace(0.02, 0.26, 27)),
    "digits, width 12": (lambda: digits(complexity=2, samples=200), 12, np.geomspace(0.1, 0.24, 10)),
}
"""Task, width and λ, a tenth apart."""


class Branch:
    """The up branch of one network: its rows, and what each interval of the path cost."""

    def __init__(self, name, exact):
        make, width, path = NETWORKS[name]
        task = make()
        sizes = task.inputs.shape[-1], task.targets.shape[-1]
        ensemble = Ensemble(lambda: MLP(*sizes, depth=3, width=width, activation="tanh"), [0])
        objective = Objective(ensemble, task)
        self.scale = float(objective.zero_error(ensemble.theta.detach()))
        self.rows, self.gradients, self.seconds = {}, defaultdict(float), defaultdict(float)
        self.path = path.tolist()
        itinerary = (ExactItinerary if exact else Itinerary)(up(self.path, 0)[0], BISECTED, self.scale)
        kind = ContinuedRelaxation if exact else Relaxation
        relaxation = kind(ensemble.theta, objective, GradientDescent(), [0], RelaxationSettings())
        stage = interval = 0
        while not itinerary.finished:
            start, visit = time.process_time(), itinerary.visit
            if (
                visit.stage is not None or visit.walked_from is not None
            ):  # a way back is one of the same interval
                interval = bisect_left(self.path, visit.control)
            if visit.start is not None:
                ensemble.theta.data[0] = visit.start
            relaxation.begin(torch.tensor([visit.control], dtype=torch.float64), stage)
            if exact:
                origin = math.nan if visit.walked_from is None else visit.walked_from
                relaxation.follow(torch.tensor([origin], dtype=torch.float64))
            while relaxation.active.any():
                relaxation.step()
            theta = ensemble.theta.detach()[0].clone()
            error, relaxed = float(objective.error(theta[None])), bool(relaxation.rows["minimum"])
            if visit.walked_from is not None:
                itinerary.conclude(error, theta, relaxed, relaxation.ending(0))
            else:
                assert relaxed
                itinerary.conclude(error, theta, relaxed)
            if visit.stage is not None:
                self.rows[visit.control] = error
            self.gradients[interval] += int(relaxation.rows["steps"])
            self.seconds[interval] += time.process_time() - start
            stage += 1

    def jumps(self):
        """Brackets in which E jumps, by interval of the path."""
        rows, found = sorted(self.rows.items()), {}
        for (low, before), (high, after) in pairwise(rows):
            if high / low < 1 + 2 * 10**-BISECTED and abs(after - before) > JUMP * self.scale:
                found.setdefault(bisect_left(self.path, high), []).append(math.sqrt(low * high))
        return found


def test_located_jumps_cost_less_than_bisected_ones(show):
    rows, sums = [], np.zeros((2, 2))
    for name in NETWORKS:
        located, bisected = Branch(name, exact=True), Branch(name, exact=False)
        fine, coarse = located.jumps(), bisected.jumps()
        for interval, places in sorted(fine.items()):
            costs = np.array(
                [[each.gradients[interval], each.seconds[interval]] for each in (located, bisected)]
            )
            if interval in coarse:
                sums += costs
                off = [min(abs(at / each - 1) for each in places) for at in coarse[interval]]
                assert min(off) < 1e-4  # beside a jump E may change as steeply within a bracket
            rows.append(
                (
                    name,
                    ", ".join(f"{place:.8g}" for place in places),
                    ", ".join(f"{place:.5g}" for place in coarse.get(interval, [])) or "not found",
                    *(f"{gradients:,.0f}, {seconds:.1f} s" for gradients, seconds in costs),
                )
            )
        whole = (sum(each.gradients.values()) for each in (located, bisected))
        times = (sum(each.seconds.values()) for each in (located, bisected))
        rows.append(
            (name, "whole branch", "", *(f"{g:,.0f}, {s:.1f} s" for g, s in zip(whole, times, strict=True)))
        )
    gradients, seconds = sums[0] / sums[1]
    rows.append(
        (
            "all jumps that both found",
            f"{gradients:.2f} of the gradients",
            f"{seconds:.2f} of the time",
            "",
            "",
        )
    )
    show("jumps of E", ("network", "located", "bisected", "by continuation", "by bisection"), rows)
    assert gradients <= 0.6
    assert seconds <= 0.5


def test_64_replicas_take_at_most_8_times_as_long_as_one(show):
    task = linear_teacher(complexity=3, samples=64)
    times = {1: [], 64: []}
    for replicas in times:
        ensemble = Ensemble(lambda: MLP(3, 3, depth=3, width=8, activation="tanh"), list(range(replicas)))
        objective = Objective(ensemble, task)
        relaxation = Relaxation(
            ensemble.theta, objective, GradientDescent(), list(range(replicas)), RelaxationSettings()
        )
        low, high = torch.full((2, replicas), 0.15, dtype=torch.float64) * torch.tensor([[1.0], [1.6]])
        relaxation.begin(low, 0)
        while relaxation.active.any():
            relaxation.step()
        for _ in range(3):
            start = time.perf_counter()
            found = locate(objective.error, ensemble.theta.detach(), low, high)
            times[replicas].append(time.perf_counter() - start)
        assert found.value.tolist() == pytest.approx([0.2193469269] * replicas, rel=1e-8)
    one, many = median(times[1]), median(times[64])
    show("last jump of tanh, width 8", ("replicas", "s"), [("1", one), ("64", many), ("ratio", many / one)])
    assert many <= 8 * one
