import pytest
import torch
from torch.func import grad, hessian, vmap
from torch.nn import functional

from spinodal.tasks import Task, digits, linear_teacher, stacked

TASKS = {
    "teacher": linear_teacher(input_dim=5, output_dim=4, samples=20, noise=0.1),
    "digits": digits(samples=40),
    "cross-entropy": digits(samples=40, error="cross_entropy"),
}
every_task = pytest.mark.parametrize("task", TASKS.values(), ids=TASKS.keys())
classifiers = pytest.mark.parametrize("task", list(TASKS.values())[1:], ids=list(TASKS)[1:])


def some_outputs(task: Task, *replicas: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(*replicas, *task.targets.shape, dtype=torch.float64, generator=generator)


def test_squared_error_by_hand() -> None:
    task = TASKS["teacher"]
    outputs = some_outputs(task)
    by_hand = sum(0.5 * ((f - y) ** 2).sum().item() for f, y in zip(outputs, task.targets, strict=True)) / 20
    assert task.error(outputs, task.targets).item() == pytest.approx(by_hand)


def test_cross_entropy_is_torchs_on_the_labels() -> None:
    task = TASKS["cross-entropy"]
    outputs = some_outputs(task) * 5
    expected = functional.cross_entropy(outputs, task.targets.argmax(-1))
    torch.testing.assert_close(task.error(outputs, task.targets), expected)


@every_task
def test_replicas_are_judged_one_by_one(task: Task) -> None:
    outputs = some_outputs(task, 2, 3)
    for judge in (
        lambda f: task.error(f, task.targets),
        lambda f: task.accuracy(f, task.targets),
        lambda f: task.overlaps(f),
    ):
        together = judge(outputs)
        one_by_one = torch.stack([torch.stack([judge(f) for f in row]) for row in outputs])
        torch.testing.assert_close(together, one_by_one)
        torch.testing.assert_close(vmap(vmap(judge))(outputs), together)


@every_task
def test_error_is_twice_differentiable(task: Task) -> None:
    outputs = some_outputs(task)[:4].requires_grad_()
    targets = task.targets[:4]
    assert torch.autograd.gradcheck(lambda f: task.error(f, targets), outputs)
    assert torch.autograd.gradgradcheck(lambda f: task.error(f, targets), outputs)


@every_task
def test_unlearned_state_is_pulled_along_the_features(task: Task) -> None:
    """At W = 0 the gradient of E is −Σ s_k u_k v_kᵀ, for squared error and cross-entropy alike."""
    zero = torch.zeros(task.targets.shape[1], task.inputs.shape[1], dtype=torch.float64)
    slope = grad(lambda w: task.error(task.inputs @ w.T, task.targets))(zero)
    features = torch.einsum("k,kc,kd->cd", task.strengths, task.output_directions, task.input_directions)
    torch.testing.assert_close(slope, -features)


@every_task
def test_curvature_along_a_feature_is_its_variance(task: Task) -> None:
    """∂²E along u_k v_kᵀ at W = 0 is σ_k, and σ_k/C for cross-entropy on balanced classes."""
    divisor = 4 if task.error_name == "cross_entropy" else 1
    for k, variance in enumerate(task.variances):
        rank_one = torch.outer(task.output_directions[k], task.input_directions[k])

        def along(amplitude: torch.Tensor, rank_one: torch.Tensor = rank_one) -> torch.Tensor:
            return task.error(task.inputs @ (amplitude * rank_one).T, task.targets)

        curvature = hessian(along)(torch.tensor(0.0, dtype=torch.float64))
        torch.testing.assert_close(curvature, variance / divisor)


def test_accuracy_of_regression_is_explained_error() -> None:
    task = TASKS["teacher"]
    outputs = torch.stack([torch.zeros_like(task.targets), 0.5 * task.targets, task.targets])
    assert task.accuracy(outputs, task.targets).tolist() == pytest.approx([0, 0.75, 1])


@classifiers
def test_accuracy_of_classification_is_the_fraction_right(task: Task) -> None:
    wrong = task.targets.clone()
    wrong[:10] = wrong[:10].roll(1, dims=-1)
    outputs = torch.stack([task.targets, wrong, 1e-3 * task.targets])
    assert task.accuracy(outputs, task.targets).tolist() == pytest.approx([1, 0.75, 1])


@classifiers
def test_dead_networks_score_as_the_majority_class(task: Task) -> None:
    """Rounding errors must not: by argmax these outputs would all be right."""
    few = digits(samples=41, error=task.error_name)
    counts = few.targets.argmax(-1).bincount()
    assert counts.max() == 11
    outputs = torch.stack([1e-28 * few.targets, 0 * few.targets, few.targets])
    assert few.accuracy(outputs, few.targets).tolist() == pytest.approx([11 / 41, 11 / 41, 1])
    # On other data it is still the majority of the training set.
    others = few.targets[few.targets.argmax(-1) != counts.argmax()]
    assert few.accuracy(0 * others, others).item() == 0


@classifiers
def test_one_living_sample_is_enough_to_be_alive(task: Task) -> None:
    outputs = 1e-9 * task.targets
    outputs[3] = task.targets[3]
    assert task.accuracy(outputs, task.targets).item() == 1


@classifiers
def test_diverged_networks_have_no_accuracy(task: Task) -> None:
    outputs = task.targets.clone()
    outputs[0, 0] = torch.nan
    assert task.accuracy(outputs, task.targets).isnan()


@every_task
def test_overlap_is_one_for_the_best_linear_map_and_zero_for_none(task: Task) -> None:
    best = task.inputs @ torch.linalg.lstsq(task.inputs, task.targets, driver="gelsd").solution
    ones = torch.ones_like(task.strengths)
    overlaps = task.overlaps(torch.stack([best, 0 * best, task.targets]))
    torch.testing.assert_close(overlaps, torch.stack([ones, 0 * ones, ones]))


def test_overlap_tells_which_features_are_learned() -> None:
    task = linear_teacher(input_dim=5, output_dim=4)
    first = task.strengths[0] * torch.outer(task.output_directions[0], task.input_directions[0])
    assert task.overlaps(task.inputs @ first.T).tolist() == pytest.approx([1, 0, 0], abs=1e-12)


def test_moving_a_task_moves_all_of_it() -> None:
    task = TASKS["teacher"]
    moved = task.to("meta")
    tensors = {name for name, value in vars(task).items() if isinstance(value, torch.Tensor)}
    assert len(tensors) == 8
    assert all(getattr(moved, name).is_meta for name in tensors)
    assert not task.inputs.is_meta


@pytest.mark.parametrize("kind", ["teacher", "digits", "cross-entropy"])
def test_replicas_with_tasks_of_their_own_are_judged_by_those(kind: str) -> None:
    if kind == "teacher":
        tasks = [linear_teacher(k, input_dim=5, output_dim=4, samples=20) for k in (1, 4, 2)]
    else:
        tasks = [digits(samples=40, error=TASKS[kind].error_name, seed=seed) for seed in range(3)]
    together = stacked(tasks)
    outputs = some_outputs(tasks[0], 3)
    outputs[2] = 0
    for row, task in enumerate(tasks):
        for mine, its in ((together, outputs), (together.of([row, row]), outputs[[row, row]])):
            at = row if mine is together else 1
            torch.testing.assert_close(mine.error(its, mine.targets)[at], task.error(its[at], task.targets))
            assert mine.accuracy(its, mine.targets)[at] == task.accuracy(its[at], task.targets)
            known, unknown = mine.overlaps(its)[at].split(
                [len(task.strengths), mine.strengths.shape[-1] - len(task.strengths)]
            )
            torch.testing.assert_close(known, task.overlaps(its[at]))
            assert unknown.isnan().all()
    assert stacked([tasks[0]] * 3) is tasks[0]
