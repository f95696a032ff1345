"""What a row says, one stage of one point: the one home of column names, their units and their meanings."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl


class Column(NamedTuple):
    """One column of the records."""

    name: str
    dtype: pl.DataType | type[pl.DataType]
    unit: str
    """Empty for names, numbers of things and what is measured in the units of the targets."""
    meaning: str


_FLOATS = pl.List(pl.Float64)

COLUMNS = (
    # identity
    Column("point", pl.String, "", "identity of the trajectory: hash of all that determines its result"),
    Column("curve", pl.String, "", "the same hash without seed and λ: rows of one curve share it"),
    Column("job", pl.String, "", "identity of the job that computed it"),
    Column("campaign", pl.String, "", "name of the campaign"),
    # what was asked for
    Column("task", pl.String, "", "the data"),
    Column("error_name", pl.String, "", "what E is: squared or cross_entropy"),
    Column("complexity", pl.Int64, "", "K, number of distinct features to learn, as asked for"),
    Column("noise", pl.Float64, "", "standard deviation of the label noise"),
    Column("samples", pl.Int64, "", "N, number of training samples"),
    Column("activation", pl.String, "", "nonlinearity of the hidden layers"),
    Column("bias", pl.Boolean, "", "whether the layers have biases"),
    Column("depth", pl.Int64, "", "L, number of weight layers"),
    Column("width", pl.Int64, "", "units in a hidden layer"),
    Column("input_dim", pl.Int64, "", "d, numbers in an input"),
    Column("output_dim", pl.Int64, "", "c, numbers in an output"),
    Column("parameters", pl.Int64, "", "n, number of trainable parameters"),
    Column("init_scale", pl.Float64, "", "standard deviation of fresh weights times √fan_in"),
    Column("lr", pl.Float64, "", "step length of the descent, or of its first step"),
    Column("branch", pl.String, "", "where the state comes from: up, down, quench, escape or train"),
    Column(
        "perturbation", pl.Float64, "", "standard deviation of the noise on each parameter at a stage's start"
    ),
    Column("refine", pl.Int64, "", "digits to which λ of each jump is bisected; 0: the grid as it is"),
    Column("seed", pl.Int64, "", "of the replica"),
    Column("stage", pl.Int64, "", "place in the trajectory, from 0"),
    Column("stages", pl.Int64, "", "length of the trajectory; null until it is known"),
    Column("l2", pl.Float64, "", "λ, strength of the L2 term in 𝓛 = E + λ‖θ‖²"),
    # holding times under noise
    Column("start_phase", pl.Int64, "", "features alive where the hold began; null if nobody counted them"),
    Column("temperature", pl.Float64, "", "T of the Langevin noise in dθ = −∇𝓛 dt + √(2T) dW"),
    Column("batch", pl.Int64, "", "B, samples that each step of minibatch noise sees"),
    Column(
        "effective_temperature",
        pl.Float64,
        "",
        "mean of (q·(θ − θ*))(q·∇𝓛), q = θ*/‖θ*‖, while held: T if in balance",
    ),
    Column("hold_time", pl.Float64, "steps × step length", "of a stage that is held whatever happens"),
    Column("time_step", pl.Float64, "", "η, length of a step: time is steps × step length"),
    Column(
        "escaped", pl.Boolean, "", "whether the flow without noise led elsewhere before the time was over"
    ),
    Column(
        "escape_time", pl.Float64, "steps × step length", "until it did, or until which it certainly had not"
    ),
    Column(
        "escape_resolution",
        pl.Float64,
        "steps × step length",
        "time between two looks: it left in the last one",
    ),
    # along a training
    Column("trained_steps", pl.Int64, "", "done since the start, by a network that is not relaxed"),
    # order parameters
    Column("error", pl.Float64, "", "E on the training data, without the L2 term"),
    Column("test_error", pl.Float64, "", "E on the test data"),
    Column("accuracy", pl.Float64, "", "fraction right, or 1 − E/E₀, on the training data"),
    Column("test_accuracy", pl.Float64, "", "fraction right, or 1 − E/E₀, on the test data"),
    Column("loss", pl.Float64, "", "𝓛 = E + λ‖θ‖²"),
    Column("norm", pl.Float64, "", "‖θ‖"),
    Column("learned_features", pl.Int64, "", "features whose overlap says that they are learned"),
    Column("overlaps", _FLOATS, "", "u_kᵀ(fᵀX/N)v_k / c_k of every feature k"),
    Column("strengths", _FLOATS, "", "c_k, measured on the training data"),
    Column("variances", _FLOATS, "", "σ_k = v_kᵀΣ_xx v_k, measured on the training data"),
    # geometry of the error surface z = E(θ), or of 𝓛's where curvature_method says so; null where not measured
    Column("scalar_curvature", pl.Float64, "", "R of the surface, at the minimum"),
    Column("scalar_curvature_se", pl.Float64, "", "its standard error; 0 if exact"),
    Column("trace_hessian", pl.Float64, "", "tr ∇²E"),
    Column("trace_hessian_se", pl.Float64, "", "its standard error"),
    Column("frobenius_hessian", pl.Float64, "", "‖∇²E‖_F², the sum of all squared eigenvalues"),
    Column("frobenius_hessian_se", pl.Float64, "", "its standard error"),
    Column("gradient_squared", pl.Float64, "", "‖v‖², v = ∇E"),
    Column("gradient_hessian_gradient", pl.Float64, "", "vᵀ ∇²E v"),
    Column("hessian_gradient_squared", pl.Float64, "", "‖∇²E v‖²"),
    Column(
        "curvature_method", pl.String, "", "exact or stochastic, and of what if not of E's smooth surface"
    ),
    Column("hessian_min", pl.Float64, "", "smallest eigenvalue of ∇²E; that of ∇²𝓛 is 2λ above"),
    Column("hessian_max", pl.Float64, "", "largest eigenvalue of ∇²E; that of ∇²𝓛 is 2λ above"),
    Column(
        "soft_mode", pl.Float64, "", "eigenvalue of ∇²𝓛 whose mode overlaps most with ∂θ*/∂λ; null for θ = 0"
    ),
    Column("soft_mode_residual", pl.Float64, "", "an eigenvalue lies within this of it"),
    Column(
        "zero_modes", pl.Int64, "", "eigenvalues of ∇²𝓛 below 1e-6 of the largest; null if not all are known"
    ),
    Column("negative_modes", pl.Int64, "", "eigenvalues of ∇²𝓛 below −1e-6 of the largest; likewise"),
    # how far it is relaxed
    Column("grad_max", pl.Float64, "", "max |∇𝓛|"),
    Column("stationary", pl.Boolean, "", "whether the criterion was met within the budget"),
    Column(
        "criterion",
        pl.String,
        "",
        "what stationary means: gradient (max |∇𝓛|), or fall (𝓛 no longer falls: kinks)",
    ),
    Column("minimum", pl.Boolean, "", "whether ∇²𝓛 has no negative eigenvalue; null where nobody looked"),
    Column(
        "reversible",
        pl.Boolean,
        "",
        "whether, taken back to λ of the row before it on the path, it restores E there; if not, E jumps in between; "
        "null where that was not tested (protocol.refine), or did not relax",
    ),
    Column("saddles", pl.Int64, "", "saddles left on the way"),
    Column("steps", pl.Int64, "gradients", "cost of the stage"),
    # the way there, at a handful of moments of the stage
    Column("training_steps", pl.List(pl.Int64), "gradients", "spent by then, from the start of the stage"),
    Column("training_loss", pl.List(pl.Float32), "", "𝓛 at that moment"),
    Column("training_grad_max", pl.List(pl.Float32), "", "max |∇𝓛| at that moment"),
    # provenance
    Column("wall_time", pl.Float64, "s", "time the stage took, all replicas together"),
    Column("version", pl.String, "", "of spinodal"),
    Column("commit", pl.String, "", "of its source"),
    Column("torch", pl.String, "", "its version"),
    Column("device", pl.String, "", "it was computed on"),
    Column("dtype", pl.String, "", "floating point it was computed in"),
)

SCHEMA = pl.Schema({column.name: column.dtype for column in COLUMNS})

# What is the same all along a branch of a replica.
IDENTITY = ("point", "curve", "job", "campaign")
SETTINGS = (
    *("task", "error_name", "complexity", "noise", "samples", "activation", "bias", "depth", "width"),
    *(
        "input_dim",
        "output_dim",
        "parameters",
        "init_scale",
        "lr",
        "branch",
        "perturbation",
        "refine",
        "seed",
    ),
    *("start_phase", "temperature", "batch", "time_step", "hold_time"),
)
MEASURED_TASK = ("strengths", "variances")
PROVENANCE = ("version", "commit", "torch", "device", "dtype")

TRAINING = ("training_steps", "training_loss", "training_grad_max")
"""The way to a minimum."""

OBSERVED = tuple(
    column.name
    for column in COLUMNS
    if column.name not in {*IDENTITY, *SETTINGS, *MEASURED_TASK, *PROVENANCE, *TRAINING, "stages"}
)
"""All else: what a row says of its stage, `stage` and `l2` among it."""
