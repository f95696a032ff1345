"""The LightningModule: one epoch is one stage of the path, one training step is one block of relaxation."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor

from spinodal import theory
from spinodal.ensemble import Ensemble, Objective
from spinodal.penalties import Penalty, l2, symbol
from spinodal.protocols import (
    BISECTED,
    ESCAPE,
    EXACT,
    ExactItinerary,
    Itinerary,
    SurveyItinerary,
    Trajectory,
    Visit,
)
from spinodal.tasks import Task, stacked
from spinodal.training.continuing import ContinuedRelaxation
from spinodal.training.descent import DescentRule
from spinodal.training.holding import Holding, HoldSettings
from spinodal.training.interruption import Interrupted
from spinodal.training.noise import Langevin, Minibatch, Noise
from spinodal.training.randomness import standard_normal
from spinodal.training.relaxation import Relaxation
from spinodal.training.settings import RelaxationSettings
from spinodal.training.start import facts_of, put_in_phase
from spinodal.training.surveying import SurveyRelaxation
from spinodal.training.training import Training

_PROGRESS = ("failures", "_rows", "_seconds")
"""What the module itself remembers from block to block, besides itineraries and visits."""


class EnsembleModule(pl.LightningModule):
    """An ensemble on its way through the stages of a protocol.

    Fit it with `max_epochs=-1` on any endless loader: a stage needs as many blocks as it needs, full batches come
    from the task itself, and the module stops the trainer when every replica has finished its itinerary. At the
    end of each epoch `measurements` holds what is known of every replica there; callbacks add to it.

    Args:
        ensemble: R replicas.
        task: what they learn, or what each does [R], as far as tasks can be `stacked`.
        trajectories: one per replica.
        rule: of descent.
        settings: of the relaxation.
        refine: digits to which jumps are bisected, or 0; "exact" locates them by continuation.
        perturbation: standard deviation of the noise added to every parameter at the start of a stage: of all
            replicas, or of each [R].
        hold: how the last stage is held under noise, if it is.
        ends: steps after which each stage ends, if it is not relaxed.
        lr: step lengths of the replicas [R], instead of the rule's.
        penalty: P, what the control parameter multiplies.
        held: penalties that stay on along the way, each after its coefficient.

    Attributes:
        complexities: K of the task of each replica [R].
        failures: replicas that cannot go on, and why; the others do.

    Raises:
        UserError: if tasks cannot be stacked, or there is no phase that a trajectory is to start in.
    """

    def __init__(
        self,
        ensemble: Ensemble,
        task: Task | Sequence[Task],
        trajectories: Sequence[Trajectory],
        rule: DescentRule,
        settings: RelaxationSettings,
        refine: int | str = 0,
        perturbation: float | Sequence[float] = 0.0,
        hold: HoldSettings | None = None,
        ends: Sequence[int] | None = None,
        lr: Sequence[float] | None = None,
        penalty: Penalty = l2,
        held: tuple[tuple[float, Penalty], ...] = (),
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.ensemble = ensemble
        tasks = [task] * len(trajectories) if isinstance(task, Task) else task
        self.task = stacked(tasks)
        self.complexities = [each.complexity for each in tasks]
        self.penalty, self.held = penalty, held
        self.rule = rule
        self.settings = settings
        each = perturbation if isinstance(perturbation, Sequence) else [perturbation] * len(trajectories)
        self.perturbations = tuple(each)
        self.lr = lr
        self.hold = hold
        self.ends = ends
        with torch.no_grad():
            scales = self.objective.zero_error(ensemble.theta).tolist()
            for row, trajectory in enumerate(trajectories):
                ensemble.theta[row] *= not trajectory.unlearned
            put_in_phase(ensemble, tasks, trajectories)
        self.exact = refine == EXACT
        digits = BISECTED if self.exact else int(refine)
        kind = ExactItinerary if self.exact else Itinerary if settings.flow is None else SurveyItinerary
        self.itineraries = [
            kind(trajectory, digits, scale) for trajectory, scale in zip(trajectories, scales, strict=True)
        ]
        self.visits: list[Visit | None] = [None] * len(trajectories)
        self.failures: dict[int, str] = {}
        self.measurements: dict[str, Any] = {}
        self._rows: list[dict[str, Any] | None] = [None] * len(trajectories)
        self._seconds = 0.0

    @property
    def seeds(self) -> list[int]:
        """One per replica."""
        return [itinerary.trajectory.seed for itinerary in self.itineraries]

    @property
    def finished(self) -> bool:
        """Whether every replica has come to its end, or cannot go on."""
        return all(each.finished or row in self.failures for row, each in enumerate(self.itineraries))

    @property
    def objective(self) -> Objective:
        """E and 𝓛 on the task's training set."""
        return Objective(self.ensemble, self.task, penalty=self.penalty, held=self.held)

    @property
    def relaxation(self) -> Relaxation:
        """The optimizer."""
        optimizer = self.optimizers(use_pl_optimizer=False)
        assert isinstance(optimizer, Relaxation)
        return optimizer

    def configure_optimizers(self) -> Relaxation:
        """The relaxation, as Lightning's one optimizer."""
        self.task = self.task.to(self.device)
        of_rows = (self.ensemble.theta, self.objective, self.rule, self.seeds, self.settings)
        if self.ends is not None:
            return Training(*of_rows, self.ends, self._noise(getattr(self.rule, "lr", 0.0)), self.lr)
        if self.hold is None:
            surveyed = Relaxation if self.settings.flow is None else SurveyRelaxation
            return (ContinuedRelaxation if self.exact else surveyed)(*of_rows, self.lr)
        last = max(len(itinerary.trajectory.path) for itinerary in self.itineraries) - 1
        noise = self._noise(self.hold.time_step)
        assert noise is not None
        return Holding(*of_rows, self.hold, noise, last, self.lr)

    def _noise(self, time_step: float) -> Noise | None:
        """What moves the replicas, in steps of this length; None if nothing does."""
        holds = [itinerary.trajectory.hold for itinerary in self.itineraries]
        temperatures = [hold.temperature for hold in holds if hold and hold.temperature is not None]
        if temperatures:
            return Langevin(self.seeds, temperatures, time_step)
        batches = [hold.batch for hold in holds if hold and hold.batch is not None]
        if not batches:
            return None
        return Minibatch(self.seeds, batches, time_step, self.objective)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> int | None:
        """Begins a stage, or ends it (-1) when no replica has anything left to do."""
        relaxation = self.relaxation
        # Asked for here and not in on_train_epoch_start, which Lightning leaves out when it resumes mid-epoch.
        if relaxation.stage != self.current_epoch:
            self._begin(self.current_epoch)
        if relaxation.active.any():
            return None
        self._conclude()
        return -1

    @torch.no_grad()
    def _begin(self, stage: int) -> None:
        """Puts every replica where its next visit starts."""
        theta, control = self.ensemble.theta, torch.zeros(len(self.itineraries), dtype=torch.float64)
        for row, itinerary in enumerate(self.itineraries):
            visit = None if itinerary.finished or row in self.failures else itinerary.visit
            self.visits[row] = visit
            if visit is None:
                continue
            control[row] = visit.control
            if visit.start is not None:
                theta[row] = visit.start
            if visit.perturbed and self.perturbations[row]:
                noise = standard_normal(theta.shape[-1], "perturbation", self.seeds[row], stage)
                theta[row] += self.perturbations[row] * noise.to(theta)
        self.measurements, self._seconds = {}, 0.0
        idle = torch.tensor([visit is None for visit in self.visits], device=self.device)
        self.relaxation.begin(control, stage, idle)
        exact = [visit is not None and visit.exact for visit in self.visits]
        if isinstance(self.relaxation, SurveyRelaxation):
            self.relaxation.exactly(torch.tensor(exact, device=self.device))
        if isinstance(self.relaxation, ContinuedRelaxation):
            origins = [math.nan if visit is None else visit.walked_from for visit in self.visits]
            known = [math.nan if each is None else each for each in origins]
            self.relaxation.follow(torch.tensor(known, dtype=torch.float64, device=self.device))

    @torch.no_grad()
    def _conclude(self) -> None:
        """Lets every itinerary know what its visit has found; stops the trainer when all have come to their end."""
        theta = self.ensemble.theta.detach()
        errors = self.objective.error(theta).tolist()
        replicas, columns = len(self.itineraries), self.relaxation.columns()
        stationary, minimum = (_listed(columns[name], replicas) for name in ("stationary", "minimum"))
        for row, (itinerary, visit) in enumerate(zip(self.itineraries, self.visits, strict=True)):
            if visit is None:
                continue
            if math.isfinite(errors[row]) and theta[row].isfinite().all():
                relaxed = visit.exact and stationary[row] and minimum[row] is not False
                found = errors[row], theta[row].clone(), relaxed
                if visit.walked_from is not None:
                    assert isinstance(itinerary, ExactItinerary)
                    assert isinstance(self.relaxation, ContinuedRelaxation)
                    itinerary.conclude(*found, self.relaxation.ending(row))
                    continue
                reversible = itinerary.conclude(*found)
                if visit.stage is None and (checked := self._rows[row]):
                    checked["reversible"] = reversible
            else:
                # There is no state to go on from, and nothing to measure.
                place = f"{symbol(self.penalty)} = {visit.control:g}, stage {visit.stage}"
                self.failures[row] = f"E = {errors[row]} at {place}"
                self.visits[row] = None
        if self.finished:
            self.trainer.should_stop = True

    def training_step(self, batch: Any, batch_idx: int) -> None:
        """One block. The batch is only a count: data is full-batch."""
        start = time.perf_counter()
        # An interrupted block has not happened; `Checkpoint` saves that at the batch's end, and ends the run.
        with suppress(Interrupted):
            # Through Lightning's wrapper, or global_step would stay 0 and nothing be ever saved.
            self.optimizers().step()  # type: ignore[union-attr]
        self._seconds += time.perf_counter() - start

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds where every replica is on its way, and its task; Lightning keeps θ and the relaxation."""
        checkpoint["progress"] = {
            "itineraries": [each.state_dict() for each in self.itineraries],
            "visits": [each and each.state_dict() for each in self.visits],
            **{name: getattr(self, name) for name in _PROGRESS},
        }
        checkpoint["complexities"] = self.complexities

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Goes on from there."""
        progress = checkpoint["progress"]
        made = zip(self.itineraries, progress["itineraries"], strict=True)
        self.itineraries = [blank.from_state_dict(state) for blank, state in made]
        self.visits = [each and Visit(**each) for each in progress["visits"]]
        for name in _PROGRESS:
            setattr(self, name, progress[name])

    def measure(self, **columns: Any) -> None:
        """Adds columns to this stage's measurements: per replica a tensor or list [R], or one value for all."""
        self.measurements |= columns

    def stage_rows(self) -> list[tuple[int, dict[str, Any]]]:
        """What this stage adds to the records: (replica, row), a row for each replica that has one to add."""
        replicas = len(self.itineraries)
        columns = self.relaxation.columns() | {"wall_time": self._seconds} | self.measurements
        listed = {name: _listed(value, replicas) for name, value in columns.items()}
        counted = theory.order_parameter(facts_of(self.ensemble, self.task))
        rows = []
        for replica, (itinerary, visit) in enumerate(zip(self.itineraries, self.visits, strict=True)):
            if visit is None or visit.walked_from is not None:
                continue
            if visit.stage is not None:
                self._rows[replica] = {
                    "seed": itinerary.trajectory.seed,
                    "branch": visit.branch,
                    "control_value": visit.control,
                    **_start(itinerary.trajectory, visit, self._rows[replica], counted),
                    "stage": visit.stage,
                    **{name: values[replica] for name, values in listed.items()},
                    **(itinerary.columns if isinstance(itinerary, ExactItinerary) else {}),
                }
            row = self._rows[replica]
            assert row is not None
            # After a check the row before it is said again where more is known of it now.
            if visit.stage is not None or itinerary.finished or row.get("reversible") is not None:
                rows.append((replica, row | {"stages": itinerary.stages}))
        return rows


def _listed(value: Any, replicas: int) -> list[Any]:
    """A plain value for each replica: a checkpoint takes none of NumPy's, which a user's own column may have."""
    if isinstance(value, Tensor | np.ndarray):
        return list(value.tolist())
    values = value if isinstance(value, list) else [value] * replicas
    return [each.item() if isinstance(each, np.generic | Tensor) else each for each in values]


def _start(
    trajectory: Trajectory, visit: Visit, before: Mapping[str, Any] | None, counted: str
) -> dict[str, Any]:
    """The phase that a stage under noise began in: as it was put together, or as it was counted in the row before."""
    if trajectory.hold is None or visit.branch != ESCAPE:
        return {}
    phase = trajectory.hold.phase
    return {"start_phase": (before or {}).get(counted) if phase is None else phase}
