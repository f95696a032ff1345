"""Broken command lines, made from valid ones: each is refused before anything is made, without a traceback."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from spinodal import cli

VALID = [
    ["experiment=onset", "model.width=8"],
    ["data.complexity=1,2,3", "l2=geom:1e-3:1:16", "seed=range(4)", "model.depth=2,3"],
    ["data=digits", "data.complexity=3", "l2=lin:0.02:0.24:8", "protocol=up,down", "campaign=mine"],
    ["model=mlp,deep_linear", "optimizer=adam", "optimizer.lr=1e-3", "relaxation.max_steps=100"],
    ["data.strengths=[1,0.6,0.36]", "data.noise=0.1", "data.samples=64", "protocol=quench", "seed=[0,1]"],
    ["callbacks=[curvature,spectrum]", "callbacks.curvature.probes=100", "trainer=default", "logger=none"],
]

Mutation = Callable[[random.Random, list[str]], list[str]]

TYPES = ["deep", "true", "null", "[1,2,[3]]", "{a:1}", "''", "0x10", "1e999", "nan", "١٢", "½", "3.5.1", "🙂"]
RANGES = ["-1", "0", "-0.5", "inf", "-inf", "1e400", "-9e99"]
NUMERIC = ["model.depth", "model.width", "data.complexity", "data.samples", "relaxation.max_steps", "seed"]


def wrong_type(rng: random.Random, line: list[str]) -> list[str]:
    return [*line, f"{rng.choice(NUMERIC)}={rng.choice(TYPES)}"]


def wrong_range(rng: random.Random, line: list[str]) -> list[str]:
    key = rng.choice([*NUMERIC[:-1], "optimizer.lr", "model.init_scale", "relaxation.tolerance"])
    return [*line, f"{key}={rng.choice(RANGES)}"]


def misspelt_key(rng: random.Random, line: list[str]) -> list[str]:
    key = list(
        rng.choice(["model.depth", "data.complexity", "protocol.refine", "campaign", "l2", "optimizer"])
    )
    place = rng.randrange(len(key))
    key[place : place + 1] = rng.choice([[], [key[place]] * 2, ["q"], ["é"], ["."]])
    return [*line, f"{''.join(key)}=1"]


def misspelt_choice(rng: random.Random, line: list[str]) -> list[str]:
    group = rng.choice(
        ["model", "data", "protocol", "optimizer", "experiment", "callbacks", "trainer", "logger"]
    )
    return [
        *line,
        f"{group}={rng.choice(['mpl', 'digts', 'upp', 'x/y', '../up', 'ünïcode', '7', 'None', '*'])}",
    ]


def broken_grammar(rng: random.Random, line: list[str]) -> list[str]:
    return [
        *line,
        rng.choice(
            [
                *("l2=[0.1", "seed=range(", "seed=range(1,2,3,4)", "=3", "model", "model.depth==", "l2=a b"),
                *(
                    "seed=(1,2)",
                    "l2={0.1",
                    "l2=$(ls)",
                    "seed='1",
                    "l2=`x`",
                    "~",
                    "+",
                    "++=1",
                    "model.depth:3",
                    "\\",
                ),
                *(
                    "seed=choice()",
                    "l2=sort()",
                    "seed=glob(1)",
                    "l2=geom(1,2,3)",
                    "seed=interval(1,2)",
                    "l2=${",
                    "l2=${}",
                ),
            ]
        ),
    ]


def broken_grid(rng: random.Random, line: list[str]) -> list[str]:
    ends = [rng.choice(["0", "-1", "1", "a", "", "nan", "inf", "1e-3"]) for _ in range(2)]
    count = rng.choice(["1", "0", "-4", "2.5", "x", "", "1000000000"])
    return [*line, f"l2={rng.choice(['geom', 'lin', 'log', 'GEOM'])}:{':'.join(ends)}:{count}"]


def duplicated(rng: random.Random, line: list[str]) -> list[str]:
    return [
        *line,
        rng.choice(
            [
                *(
                    "seed=[1,1]",
                    "l2=[0.1,1e-1]",
                    "l2=[0,-0.0]",
                    "data.strengths=[1,1,1]",
                    "+seed=1",
                ),
                *(
                    "+l2=0.1",
                    "model@model=mlp",
                    "callbacks=default,curvature",
                    "logger=none,wandb",
                    "trainer=gpu,default",
                ),
            ]
        ),
    ]


def enormous(rng: random.Random, line: list[str]) -> list[str]:
    return [
        *line,
        rng.choice(
            [
                *("seed=range(1000000000)", "model.init_scale=range(0.1,1,1e-9)", "seed=range(0,1e300)"),
                *("l2=geom:1e-3:1:10001", "seed=range(10001)", "seed=range(-5,5)"),
                "model.width=range(1,9999) model.depth=range(1,9999)",
            ]
        ).split()[0],
        rng.choice(["model.width=range(1,9999)", "data.samples=range(10,9999)"]),
        rng.choice(["relaxation.max_steps=range(1,9999)", "data.seed=range(9999)"]),
    ]


def forbidden(rng: random.Random, line: list[str]) -> list[str]:
    return [
        *line,
        rng.choice(
            [
                *(
                    "campaign=a,b",
                    "dry_run=true,false",
                    "packing.max_replicas=1,2",
                    "hydra.job.name=a,b",
                    "pack=abc",
                ),
                *(
                    "paths.outputs=a,b",
                    "campaign=../up",
                    "campaign=a/b",
                    "campaign=''",
                    "model.width='${now:%d}'",
                ),
                *(
                    "model.depth='${hydra:job.num}'",
                    "l2=${nowhere}",
                    "model.depth=${model.depth}",
                    "seed=???",
                ),
                *(
                    "model._target_=os",
                    "model._target_=spinodal.networks.Nothing",
                    "data._target_=1",
                    "~data",
                    "~model.depth",
                ),
                *(
                    "hydra/launcher=submitit",
                    "hydra/sweeper=optuna",
                    "hydra.mode=SIDEWAYS",
                    "retry_failed=maybe",
                ),
            ]
        ),
    ]


def crossed(rng: random.Random, line: list[str]) -> list[str]:
    return [
        *(each for each in line if not each.startswith(("data", "experiment", "protocol", "relaxation"))),
        *rng.choice(
            [
                ["data.complexity=8", "data.samples=8"],
                ["data.strengths=[1,2,3]"],
                ["data.strengths=[1,0.5]", "data.complexity=3"],
                ["data=digits", "data.complexity=10"],
                ["data=digits", "data.ratio=0.5"],
                ["data=digits", "data.complexity=3", "data.samples=3"],
                ["data.input_dim=2", "data.complexity=1,2,3"],
                ["protocol=quench", "protocol.refine=2"],
                ["relaxation.tolerance=1e-3"],
                ["data.complexity=2,3,4,5", "data.samples=4"],
                ["model.width=1000000", "model.depth=4"],
            ]
        ),
    ]


MUTATIONS: list[Mutation] = [
    *(wrong_type, wrong_range, misspelt_key, misspelt_choice, broken_grammar, broken_grid, duplicated),
    *(enormous, forbidden, crossed),
]


def broken(number: int) -> list[str]:
    rng = random.Random(number)
    return MUTATIONS[number % len(MUTATIONS)](rng, list(rng.choice(VALID)))


def is_refused(arguments: list[str], folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code: object = cli.main(["run", *arguments, "dry_run=true"])
    except SystemExit as end:
        code = end.code
    out, err = capsys.readouterr()
    assert code == 2, (arguments, out, err)
    assert "Traceback" not in err
    lines = err.splitlines()
    assert lines[0].startswith("error: ")
    assert 1 <= len(lines) <= 22
    assert all(len(line.strip()) >= 8 for line in lines)
    assert "full_key" not in err
    assert list(folder.iterdir()) == []


@pytest.fixture(autouse=True)
def somewhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SPINODAL_OUTPUTS", raising=False)
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    return tmp_path


@pytest.mark.parametrize("number", range(0, 300, 13))
def test_some_broken_command_lines(number: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    is_refused(broken(number), tmp_path, capsys)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(300))
def test_three_hundred_broken_command_lines(
    number: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    is_refused(broken(number), tmp_path, capsys)


@pytest.mark.parametrize("line", VALID, ids=" ".join)
def test_what_they_are_made_from_is_valid(line: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", *line, "dry_run=true"]) == 0
