"""Sequences of tokens and networks with buffers of a user's own, through the command line."""

from pathlib import Path

import pytest

from spinodal import cli
from spinodal.records import read_records

OWN = """
import torch
from torch import nn
from spinodal.tasks import Task


def tokens(complexity=1, samples=10, vocabulary=4):
    x = torch.randint(0, vocabulary, (samples, 3), generator=torch.Generator().manual_seed(0))
    x[-1] = torch.tensor([3, 3, 3])
    y = nn.functional.one_hot((x[:, 0] == x[:, 1]).long(), 2).double()
    return Task("tokens", x, y - y.mean(0), x, y - y.mean(0), "squared", True, complexity)


class Sequence(nn.Module):
    def __init__(self, output_dim, input_shape, kind="attention", vocabulary=4):
        super().__init__()
        (length,) = input_shape
        self.kind, self.embed = kind, nn.Embedding(vocabulary, 2)
        self.register_buffer("table", torch.arange(2 * length).view(length, 2).sin())
        self.register_buffer("later", torch.ones(length, length).triu(1).bool())
        self.register_buffer("filter", torch.randn(2, 2))
        self.out = nn.Linear(vocabulary if kind == "tied" else 2, output_dim, bias=False)
        if kind in ("transformer", "dropout"):
            dropout = 0.2 if kind == "dropout" else 0.0
            self.block = nn.TransformerEncoderLayer(2, 1, 2, dropout, "gelu", batch_first=True)
        if kind == "evaluated":
            self.block = nn.TransformerEncoderLayer(2, 1, 2, activation="gelu", batch_first=True)
            self.eval()
        if kind == "tied":
            self.head = nn.Linear(2, vocabulary, bias=False)
            self.head.weight = self.embed.weight

    def forward(self, x):
        h = self.embed(x) + self.table
        if self.kind == "attention":
            h = nn.functional.scaled_dot_product_attention(h @ self.filter, h, h, attn_mask=~self.later)
        elif self.kind == "tied":
            h = self.head(h.tanh())
        else:
            h = self.block(h, src_mask=self.later)
        return self.out(h[:, -1])


class Normed(nn.Sequential):
    def __init__(self, input_dim, output_dim, kind="evaluated"):
        super().__init__(nn.Linear(input_dim, 2, bias=False), nn.BatchNorm1d(2), nn.Tanh(), nn.Linear(2, output_dim))
        nn.init.uniform_(self[1].running_var, 0.5, 2.0)
        if kind == "evaluated":
            self.eval()
"""
SHORT = [
    "l2=[0.02,0.4]",
    "seed=[0,1]",
    "campaign=c",
    "logger=none",
    "relaxation.max_steps=30",
    "callbacks=default",
]
TOKENS = ["data._target_=sequences_of_their_own.tokens", "data.complexity=1", "data.samples=10"]
SEQUENCE = [*TOKENS, "model._target_=sequences_of_their_own.Sequence"]
NORMED = ["data.complexity=1", "data.samples=12", "model._target_=sequences_of_their_own.Normed"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPINODAL_OUTPUTS", str(tmp_path / "outputs"))
    (tmp_path / "sequences_of_their_own.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def go(command: str, *overrides: str) -> object:
    try:
        return cli.main([command, *overrides])
    except SystemExit as end:
        return end.code


@pytest.mark.parametrize("kind", ["attention", "tied", "transformer", "evaluated"])
def test_sequences_go_through_all_stages(kind: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert go("run", *SHORT, *SEQUENCE, f"+model.kind={kind}") == 0
    err = " ".join(capsys.readouterr().err.split())
    assert (
        err.count("data tokens: inputs are integers, as tokens are: no strengths, overlaps or predictions")
        == 1
    )
    found = read_records(folder / "outputs" / "c").sort("seed", "stage")
    assert found["stage"].to_list() == [0, 1] * 2
    for column in ("strengths", "variances", "overlaps", "learned_features"):
        assert found[column].null_count() == 4, column
    assert found["rank"].null_count() == 0
    assert found["rank"].max() == 1  # one-hot targets of two classes are one direction
    assert found["error"].is_finite().all()
    if kind != "attention":
        return
    # Each replica is the one it would be alone, with the filter that its seed made.
    assert go("run", *SHORT, *SEQUENCE, f"+model.kind={kind}", "seed=1", "campaign=alone") == 0
    alone = read_records(folder / "outputs" / "alone").sort("stage")
    for column in ("error", "norm"):
        assert alone[column].to_list() == pytest.approx(
            found.filter(seed=1)[column].to_list(), rel=1e-6, abs=1e-9
        )


def test_batch_norm_in_evaluation_mode_comes_to_rest(folder: Path) -> None:
    assert go("run", *SHORT, *NORMED, "l2=[0.5]", "relaxation.max_steps=2000") == 0
    found = read_records(folder / "outputs" / "c")
    assert found["stationary"].all()
    assert found["minimum"].all()


REFUSED = [
    (
        [*NORMED, "+model.kind=training"],
        ["model: Normed has BatchNorm1d in training mode", "LayerNorm", ".eval()"],
    ),
    ([*SEQUENCE, "+model.kind=dropout"], ["model: Sequence is random", "network.eval(), or no Dropout"]),
    ([*SEQUENCE, "+model.vocabulary=3"], ["model: Sequence cannot be evaluated", "index out of range"]),
    ([*TOKENS, "model=mlp"], ["model: MLP cannot be evaluated on inputs of shape"]),
]


@pytest.mark.parametrize(("overrides", "told"), REFUSED, ids=["batch norm", "dropout", "vocabulary", "mlp"])
def test_what_cannot_be_is_refused_before_anything_starts(
    overrides: list[str], told: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert go("run", *SHORT, *overrides) == 2
    err = " ".join(capsys.readouterr().err.split())
    assert all(each in err for each in told), err
    assert "Traceback" not in err
    assert not list((folder / "outputs").glob("c/records/*"))


def test_no_prediction_is_made_from_tokens(capsys: pytest.CaptureFixture[str]) -> None:
    assert go("predict", *SEQUENCE) == 2
    assert "data tokens: inputs are integers, as tokens are: no strengths" in capsys.readouterr().err
