"""What a row holds, one stage of one point: the one home of names, units, symbols and meanings of columns.

Units are powers of E, the unit of the error, of θ, that of parameters, and of P, that of the penalty which the control
parameter multiplies in 𝓛 = E + c·P: c has E/P, the strength λ of P = ‖θ‖² therefore E/θ²; a time has θ²/E and a
temperature E by dθ = −∇𝓛 dt + √(2T) dW. Targets have √E (squared error), inputs none. R of the surface
z = E(θ) takes z for a length like any parameter, and has 1/θ². "1" is the unit of ratios and of numbers of things,
whatever is no number has none.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import polars as pl


class Column(NamedTuple):
    """One column of the records, and how its values are shown."""

    name: str
    dtype: pl.DataType | type[pl.DataType]
    unit: str
    """In E, θ and P, see above; empty for what is no number."""
    meaning: str
    symbol: str = ""
    """In text, as in tr ∇²E; by default the name, in words."""
    latex: str = ""
    """At an axis, as in $R$, for Matplotlib; by default the symbol."""
    scale: Literal["linear", "log", "symlog"] = "linear"
    """Of an axis with its values."""
    colour: str = ""
    """Where several observables share a panel; empty for what does not."""

    def shown(self) -> Column:
        """Return the column with its defaults filled in."""
        symbol = self.symbol or self.name.replace("_", " ")
        return self._replace(symbol=symbol, latex=self.latex or symbol)


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
    Column("complexity", pl.Int64, "1", "K, number of distinct features to learn, as asked for", symbol="K"),
    Column("noise", pl.Float64, "√E", "standard deviation of the label noise"),
    Column("samples", pl.Int64, "1", "N, number of training samples", symbol="N"),
    Column("network", pl.String, "", "class of the network; null: fully connected, with layers of one width"),
    Column("activation", pl.String, "", "nonlinearity of the hidden layers"),
    Column("bias", pl.Boolean, "", "whether the layers have biases"),
    Column("depth", pl.Int64, "1", "L, number of weight layers", symbol="L"),
    Column("width", pl.Int64, "1", "units in a hidden layer"),
    Column("input_dim", pl.Int64, "1", "d, numbers in an input"),
    Column("output_dim", pl.Int64, "1", "c, numbers in an output"),
    Column("parameters", pl.Int64, "1", "n, number of trainable parameters"),
    Column("init_scale", pl.Float64, "θ", "standard deviation of fresh weights times √fan_in"),
    Column("lr", pl.Float64, "θ²/E", "step length of the descent, or of its first step"),
    Column("branch", pl.String, "", "where the state comes from: up, down, quench, escape or train"),
    Column(
        "perturbation",
        pl.Float64,
        "θ",
        "standard deviation of the noise on each parameter at a stage's start",
    ),
    Column("refine", pl.Int64, "1", "digits to which λ of each jump is bisected; 0: the grid as it is"),
    Column("seed", pl.Int64, "1", "of the replica"),
    Column("stage", pl.Int64, "1", "place in the trajectory, from 0"),
    Column("stages", pl.Int64, "1", "length of the trajectory; null until it is known"),
    Column("control", pl.String, "", "name of the penalty whose strength is the control parameter"),
    Column(
        "control_value",
        pl.Float64,
        "E/P",
        "c, the control parameter: strength of that penalty in 𝓛 = E + c·P + Σ cᵢ·Pᵢ",
        symbol="c",
        latex="$c$",
        scale="log",
    ),
    Column(
        "held", pl.String, "", "strengths of the other penalties, as name=number; null where there are none"
    ),
    Column(
        "l2",
        pl.Float64,
        "E/θ²",
        "λ, strength of ‖θ‖² in 𝓛, as the control parameter or held",
        symbol="λ",
        latex=r"$\lambda$",
        scale="log",
    ),
    # holding times under noise
    Column("start_phase", pl.Int64, "1", "features alive where the hold began; null if nobody counted them"),
    Column(
        "temperature",
        pl.Float64,
        "E",
        "T of the Langevin noise in dθ = −∇𝓛 dt + √(2T) dW",
        symbol="T",
        latex="$T$",
    ),
    Column(
        "batch", pl.Int64, "1", "B, samples that each step of minibatch noise sees", symbol="B", latex="$B$"
    ),
    Column(
        "effective_temperature",
        pl.Float64,
        "E",
        "mean of (q·(θ − θ*))(q·∇𝓛), q = ∇P/‖∇P‖ at θ*, while held: T if in balance",
    ),
    Column("hold_time", pl.Float64, "θ²/E", "steps × step length of a stage that is held whatever happens"),
    Column("time_step", pl.Float64, "θ²/E", "η, length of a step: time is steps × step length"),
    Column(
        "escaped", pl.Boolean, "", "whether the flow without noise led elsewhere before the time was over"
    ),
    Column(
        "escape_time",
        pl.Float64,
        "θ²/E",
        "steps × step length until it did, or until which it certainly had not",
    ),
    Column(
        "escape_resolution",
        pl.Float64,
        "θ²/E",
        "time between two looks: it left in the last one",
    ),
    # along a training
    Column("trained_steps", pl.Int64, "1", "done since the start, by a network that is not relaxed"),
    # order parameters
    Column(
        "error",
        pl.Float64,
        "E",
        "E on the training data, without penalties",
        symbol="E",
        latex="$E$",
        colour="#0072B2",
    ),
    Column("test_error", pl.Float64, "E", "E on the test data"),
    Column("accuracy", pl.Float64, "1", "fraction right, or 1 − E/E₀, on the training data"),
    Column("test_accuracy", pl.Float64, "1", "fraction right, or 1 − E/E₀, on the test data"),
    Column("loss", pl.Float64, "E", "𝓛 = E + c·P + Σ cᵢ·Pᵢ", symbol="𝓛", latex=r"$\mathcal{L}$"),
    Column(
        "penalty", pl.Float64, "P", "P, what the control parameter multiplies in 𝓛", symbol="P", latex="$P$"
    ),
    Column("penalty_gradient", pl.Float64, "P/θ", "‖∇P‖"),
    Column("norm", pl.Float64, "θ", "‖θ‖", symbol="‖θ‖", latex=r"$\Vert\theta\Vert$", colour="#56B4E9"),
    Column(
        "learned_features",
        pl.Int64,
        "1",
        "features whose overlap says that they are learned",
        symbol="features",
    ),
    Column(
        "rank",
        pl.Int64,
        "1",
        "directions of the outputs that are alive: singular values of f(X)/√N above 0.05 of the largest of Y/√N",
    ),
    Column("overlaps", _FLOATS, "1", "u_kᵀ(fᵀX/N)v_k / c_k of every feature k"),
    Column("strengths", _FLOATS, "√E", "c_k, measured on the training data"),
    Column("variances", _FLOATS, "1", "σ_k = v_kᵀΣ_xx v_k, measured on the training data"),
    # geometry of the error surface z = E(θ), or of 𝓛's where curvature_method says so; null where not measured
    Column(
        "scalar_curvature",
        pl.Float64,
        "1/θ²",
        "R of the surface, at the minimum",
        symbol="R",
        latex="$R$",
        scale="symlog",
        colour="#009E73",
    ),
    Column("scalar_curvature_se", pl.Float64, "1/θ²", "its standard error; 0 if exact"),
    Column(
        "trace_hessian",
        pl.Float64,
        "E/θ²",
        "tr ∇²E",
        symbol="tr ∇²E",
        latex=r"$\mathrm{tr}\,\nabla^2 E$",
        colour="#E69F00",
    ),
    Column("trace_hessian_se", pl.Float64, "E/θ²", "its standard error"),
    Column(
        "frobenius_hessian",
        pl.Float64,
        "E²/θ⁴",
        "‖∇²E‖_F², the sum of all squared eigenvalues",
        symbol="‖∇²E‖²",
        latex=r"$\Vert\nabla^2 E\Vert^2$",
    ),
    Column("frobenius_hessian_se", pl.Float64, "E²/θ⁴", "its standard error"),
    Column(
        "gradient_squared",
        pl.Float64,
        "E²/θ²",
        "‖v‖², v = ∇E",
        symbol="‖∇E‖²",
        latex=r"$\Vert\nabla E\Vert^2$",
    ),
    Column("gradient_hessian_gradient", pl.Float64, "E³/θ⁴", "vᵀ ∇²E v"),
    Column("hessian_gradient_squared", pl.Float64, "E⁴/θ⁶", "‖∇²E v‖²"),
    Column(
        "curvature_method", pl.String, "", "exact or stochastic, and of what if not of E's smooth surface"
    ),
    Column("hessian_min", pl.Float64, "E/θ²", "smallest eigenvalue of ∇²E"),
    Column("hessian_max", pl.Float64, "E/θ²", "largest eigenvalue of ∇²E"),
    Column(
        "loss_hessian_min",
        pl.Float64,
        "E/θ²",
        "smallest eigenvalue of ∇²𝓛; with λ‖θ‖² alone 2λ above that of ∇²E",
    ),
    Column("loss_hessian_max", pl.Float64, "E/θ²", "largest eigenvalue of ∇²𝓛"),
    Column(
        "soft_mode",
        pl.Float64,
        "E/θ²",
        "eigenvalue of ∇²𝓛 whose mode overlaps most with ∂θ*/∂c; null where ∇P = 0",
        colour="#D55E00",
    ),
    Column("soft_mode_residual", pl.Float64, "E/θ²", "an eigenvalue lies within this of it"),
    Column(
        "zero_modes", pl.Int64, "1", "eigenvalues of ∇²𝓛 below 1e-6 of the largest; null if not all are known"
    ),
    Column("negative_modes", pl.Int64, "1", "eigenvalues of ∇²𝓛 below −1e-6 of the largest; likewise"),
    # how far it is relaxed
    Column(
        "grad_max",
        pl.Float64,
        "E/θ",
        "max |∇𝓛|",
        symbol="max |∇𝓛|",
        latex=r"$\max\,|\nabla\mathcal{L}|$",
        scale="log",
    ),
    Column("stationary", pl.Boolean, "", "whether the criterion was met within the budget"),
    Column(
        "criterion",
        pl.String,
        "",
        "what stationary means: gradient (max |∇𝓛|), fall (𝓛 no longer falls: kinks), or flow (of a survey: max |∇𝓛| "
        "nearly 0; no evidence)",
    ),
    Column("minimum", pl.Boolean, "", "whether ∇²𝓛 has no negative eigenvalue; null where nobody looked"),
    Column(
        "reversible",
        pl.Boolean,
        "",
        "whether, taken back to λ of the row before it on the path, it restores E there; if not, E jumps in between; "
        "null where that was not tested (protocol.refine), or did not relax",
    ),
    Column(
        "located",
        pl.Float64,
        "1",
        "where the minimum of the row before ends, by continuation (refine: exact)",
    ),
    Column("located_error", pl.Float64, "1", "bound of the error of located"),
    Column(
        "located_kind", pl.String, "", "fold, where it meets a saddle, or pitchfork, where it becomes one"
    ),
    Column("located_E", pl.Float64, "E", "E where it ends"),
    Column(
        "pitchforks",
        pl.List(pl.Float64),
        "1",
        "where, since the row before, the minimum went over to one of other symmetry (refine: exact)",
    ),
    Column("not_followed", pl.String, "", "why the minimum of the row before was not followed, but bisected"),
    Column("saddles", pl.Int64, "1", "saddles left on the way"),
    Column("steps", pl.Int64, "1", "gradients, the cost of the stage", scale="log"),
    # the way there, at a handful of moments of the stage
    Column("training_steps", pl.List(pl.Int64), "1", "gradients spent by then, from the start of the stage"),
    Column("training_loss", pl.List(pl.Float32), "E", "𝓛 at that moment"),
    Column("training_grad_max", pl.List(pl.Float32), "E/θ", "max |∇𝓛| at that moment"),
    # provenance
    Column("wall_time", pl.Float64, "s", "time the stage took, all replicas together", scale="log"),
    Column("version", pl.String, "", "of spinodal"),
    Column("commit", pl.String, "", "of its source"),
    Column("torch", pl.String, "", "its version"),
    Column("device", pl.String, "", "it was computed on"),
    Column("dtype", pl.String, "", "floating point it was computed in"),
)

COLUMN = {column.name: column.shown() for column in COLUMNS}
"""Each by its name."""

SCHEMA = pl.Schema({column.name: column.dtype for column in COLUMNS})

# What is the same all along a branch of a replica.
IDENTITY = ("point", "curve", "job", "campaign")
SETTINGS = (
    *("task", "error_name", "complexity", "noise", "samples"),
    *("network", "activation", "bias", "depth", "width"),
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
        "control",
        "held",
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
"""All else: what a row has of its stage, `stage` and `control_value` among it."""
