"""What must hold between keys: physics that no single range can say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Any

from spinodal.campaign import control
from spinodal.planning.explain import shown
from spinodal.planning.modules_schema import CNN, Digits, LinearTeacher, Mnist
from spinodal.planning.schema import Escape, Protocol, Relaxation

Values = Mapping[str, Any]


def linear_teacher(data: Values) -> Iterator[str]:
    """K distinct strengths, room for K features on either side, samples enough to whiten the inputs."""
    features = data["complexity"]
    strengths = data["strengths"]
    if strengths is not None:
        given = f"data.strengths={shown(strengths)}: must"
        if len(strengths) != features:
            yield f"{given} have data.complexity={features} entries, one a feature"
        if any(weaker >= stronger for stronger, weaker in pairwise(strengths)):
            yield f"{given} fall from the strongest to the weakest, all different"
    for key in ("input_dim", "output_dim"):
        if data[key] is not None and data[key] < features:
            yield f"data.{key}={data[key]}: must be at least data.complexity={features}, one a feature"
    dimensions = data["input_dim"] or features
    if data["samples"] <= dimensions:
        yield (
            f"data.samples={data['samples']}: must be more than the {dimensions} dimensions of the input, "
            "or they cannot be whitened"
        )


def digits(data: Values) -> Iterator[str]:
    """A sample of every class."""
    classes = data["complexity"] + 1
    if data["samples"] is not None and data["samples"] < classes:
        yield (
            f"data.samples={data['samples']}: must be at least {classes}, "
            f"one for each class of data.complexity={data['complexity']}"
        )


def mnist(data: Values) -> Iterator[str]:
    """A sample of every class; axes are no pixels."""
    yield from digits(data)
    if data["images"] and data["axes"] is not None:
        yield f"data.images=true: must be false with data.axes={data['axes']}, which are no pixels"


def cnn(model: Values) -> Iterator[str]:
    """A filter has a pixel in its middle."""
    if model["kernel"] % 2 == 0:
        yield f"model.kernel={model['kernel']}: must be odd"


def relaxation(relaxation: Values) -> Iterator[str]:
    """The polish begins before it is done."""
    if relaxation["handoff"] < relaxation["tolerance"]:
        yield (
            f"relaxation.handoff={relaxation['handoff']:g}: must be at least "
            f"relaxation.tolerance={relaxation['tolerance']:g}"
        )


def protocol(protocol: Values) -> Iterator[str]:
    """Only a branch has jumps to bisect."""
    if protocol["refine"] and protocol["name"] == "quench":
        yield f"protocol.refine={protocol['refine']}: must be 0 for a quench, which follows no branch"


def escape(protocol: Values) -> Iterator[str]:
    """Who is put into a phase relaxes nowhere before."""
    if protocol["start_l2"] is not None and (protocol["name"] != "escape" or protocol["phase"] is not None):
        yield f"protocol.start_l2={protocol['start_l2']:g}: must go with protocol=escape and protocol.phase=null"


def trainer(trainer: Values) -> Iterator[str]:
    """A job is one process on one device."""
    hint = "a job is one process on one device, and hydra/launcher=local or slurm runs many"
    devices, accelerator = trainer.get("devices", "auto"), trainer.get("accelerator", "auto")
    one = devices in (1, "1") or _one_of_many(devices) or (devices == "auto" and accelerator == "cpu")
    if not one:
        yield f"trainer.devices={shown(devices)}: must be 1, or a list with the number of one GPU; {hint}"
    if trainer.get("num_nodes", 1) != 1:
        yield f"trainer.num_nodes={shown(trainer['num_nodes'])}: must be 1; {hint}"
    strategy = trainer.get("strategy", "auto")
    kind = strategy.get("_target_", "") if isinstance(strategy, dict) else strategy
    if strategy != "auto" and not str(kind).endswith("SingleDeviceStrategy"):
        yield f"trainer.strategy={shown(strategy)}: must be auto; {hint}"


def _one_of_many(devices: Any) -> bool:
    """Whether devices are written as the list of a single one: [3], or "3,"."""
    if isinstance(devices, list):
        return len(devices) == 1 and devices != [-1]
    return isinstance(devices, str) and devices[:-1].isdecimal() and devices.endswith(",")


def surveying(plan: Values) -> Iterator[str]:
    """A survey looks for jumps along λ, where no noise is and stages end at rest."""
    name, flow = plan["protocol"]["name"], plan["relaxation"]["flow"]
    if flow is not None and name in ("train", "escape", "noisy_loop"):
        yield (
            f"relaxation.flow={flow:g}: must be null with protocol={name}, as with relaxation=exact; a survey follows "
            "branches without noise"
        )
    if flow is not None and plan["protocol"]["refine"] == "exact":
        yield (
            f"protocol.refine=exact: must be an integer with relaxation.flow={flow:g}, as with relaxation=survey; "
            "minima are followed, and a survey has none"
        )


def phases(plan: Values) -> Iterator[str]:
    """Theory knows phases of L2 alone; θ = 0 is one with any penalty."""
    phase = plan["protocol"].get("phase")
    if phase and (others := control.besides(plan)):
        yield f"protocol.phase={phase}: must be 0 or null with {others}; such phases are known for L2 alone"


def training(plan: Values) -> Iterator[str]:
    """Noise in the gradients needs steps that nobody refuses, and a temperature those of Langevin dynamics."""
    noise, rule = plan["protocol"].get("noise", "none"), plan["optimizer"].get("_target_")
    if plan["protocol"]["name"] != "train" or noise == "none":
        return
    sgd = rule == "spinodal.training.descent.SGD"
    if noise == "langevin" and not (sgd and plan["optimizer"]["momentum"] == 0):
        yield "protocol.noise=langevin: must go with optimizer=sgd and optimizer.momentum=0, or T is no temperature"
    if noise == "minibatch" and rule == "spinodal.training.descent.GradientDescent":
        yield "protocol.noise=minibatch: must go with optimizer=adam or sgd; gradient_descent refuses noisy steps"


RULES: dict[type, Callable[[Values], Iterator[str]]] = {
    LinearTeacher: linear_teacher,
    Digits: digits,
    Mnist: mnist,
    CNN: cnn,
    Relaxation: relaxation,
    Protocol: protocol,
    Escape: escape,
}
