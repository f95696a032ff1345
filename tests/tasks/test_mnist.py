"""MNIST from a folder and from a mirror on loopback; nothing is downloaded from anywhere else."""

import gzip
import hashlib
import os
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from spinodal import cli, find
from spinodal.errors import UserError
from spinodal.records import read_records
from spinodal.report.style import STYLE
from spinodal.tasks import CENTRED, mnist, mnist_files

HEADS = {"images": 16, "labels": 8}
SIZES = {"train": 60, "t10k": 30}
"""Images of each set; classes come up unevenly."""


def content(name: str) -> bytes:
    """A small set in MNIST's format: an image is brighter in the row that its label says."""
    kind, what = name.split("-")[:2]
    labels = [min(i % 13, 9) if i % 13 < 10 else i % 3 for i in range(SIZES[kind])]
    if what == "labels":
        return bytes(HEADS[what]) + bytes(labels)
    generator = torch.Generator().manual_seed(len(kind))
    images = torch.randint(0, 100, (len(labels), 28, 28), dtype=torch.uint8, generator=generator)
    for image, label in zip(images, labels, strict=True):
        image[2 * label : 2 * label + 3] += 150
    return bytes(HEADS[what]) + images.numpy().tobytes()


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    digests = {name: hashlib.sha256(content(name)).hexdigest() for name in mnist_files.SHA256}
    monkeypatch.setattr(mnist_files, "SHA256", digests)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two files as they are, two compressed."""
    (tmp_path / "here").mkdir()
    for place, name in enumerate(mnist_files.SHA256):
        plain = tmp_path / "here" / name
        if place % 2:
            plain.write_bytes(content(name))
        else:
            plain.with_name(f"{name}.gz").write_bytes(gzip.compress(content(name)))
    return tmp_path / "here"


class _Mirror(SimpleHTTPRequestHandler):
    """Serves a folder, and counts."""

    asked: list[str] = []  # noqa: RUF012

    def do_GET(self) -> None:
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, *arguments: object) -> None:
        """Nothing."""


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Address on loopback, and the folder that is served there."""
    served = tmp_path / "served"
    served.mkdir()
    for name in mnist_files.SHA256:
        (served / f"{name}.gz").write_bytes(gzip.compress(content(name), 1))
    _Mirror.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Mirror, directory=str(served))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", served
        server.shutdown()


def some(path: Path | str | None, **changes: object) -> object:
    return mnist(**{"path": str(path) if path else None, "samples": 22, "test_samples": None} | changes)


def test_it_is_scaled_centred_and_balanced(folder: Path) -> None:
    task = some(folder, complexity=3)
    assert task.inputs.shape == (22, 784)
    assert task.sizes == {"input_dim": 784, "output_dim": 4}
    assert task.off_centre < CENTRED
    assert float(task.inputs.square().mean()) == pytest.approx(1)
    assert sorted(task.targets.argmax(1).bincount().tolist()) == [5, 5, 6, 6]
    labels = torch.tensor(list(content("t10k-labels-idx1-ubyte")[8:]))
    assert len(task.test_inputs) == int((labels < 4).sum())
    # Distances are those of the pixels in the file, in one unit.
    images = torch.tensor(list(content("t10k-images-idx3-ubyte")[16:])).view(-1, 784).double()[labels < 4]
    ratio = torch.pdist(task.test_inputs).sort().values / torch.pdist(images).sort().values
    torch.testing.assert_close(ratio, ratio[:1].expand_as(ratio))


def test_smaller_sets_are_the_first_of_larger_ones(folder: Path) -> None:
    few, many = some(folder, samples=20), some(folder, samples=40)
    assert torch.equal(few.targets.argmax(1), many.targets[:20].argmax(1))
    other = some(folder, samples=20, seed=1)
    assert not torch.equal(few.inputs, other.inputs)
    assert torch.equal(few.inputs, some(folder, samples=20).inputs)


def test_axes_are_the_principal_ones_in_the_units_of_the_pixels(folder: Path) -> None:
    pixels, axes = some(folder), some(folder, axes=5)
    variances = torch.linalg.svdvals(pixels.inputs).square() / 22
    assert axes.inputs.shape == (22, 5)
    torch.testing.assert_close(axes.inputs.square().mean(0), variances[:5])
    covariance = axes.inputs.T @ axes.inputs / 22
    torch.testing.assert_close(covariance, torch.diag(variances[:5]))
    every = some(folder, axes=784)
    torch.testing.assert_close(every.inputs @ every.inputs.T, pixels.inputs @ pixels.inputs.T)
    torch.testing.assert_close(every.test_inputs @ every.inputs.T, pixels.test_inputs @ pixels.inputs.T)
    torch.testing.assert_close(every.strengths, pixels.strengths)


def test_images_have_the_shape_of_images(folder: Path) -> None:
    flat, images = some(folder), some(folder, images=True)
    assert images.inputs.shape == (22, 1, 28, 28)
    assert torch.equal(images.flat_inputs, flat.inputs)
    assert torch.equal(images.strengths, flat.strengths)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"complexity": 10}, "data.complexity = 10"),
        ({"samples": 9}, "data.samples = 9: must be from 10 to 60"),
        ({"test_samples": 31}, "data.test_samples = 31: must be from 1 to 30"),
        ({"axes": 785}, "data.axes = 785"),
        ({"axes": 3, "images": True}, "data.images = True: must be false"),
        ({"error": "crossentropy"}, "data.error = crossentropy"),
        ({"path": "nowhere"}, "data.path = nowhere: there is no train-images-idx3-ubyte"),
    ],
)
def test_what_is_out_of_range_is_refused(changes: dict[str, object], told: str, folder: Path) -> None:
    with pytest.raises(UserError) as refusal:
        some(changes.pop("path", folder), **changes)
    assert told in str(refusal.value)
    assert len(str(refusal.value).splitlines()) == 1


@pytest.mark.parametrize("broken", ["content", "gzip"])
def test_another_content_is_refused(broken: str, folder: Path) -> None:
    file = folder / "t10k-images-idx3-ubyte.gz"
    whole = file.read_bytes()
    file.write_bytes(
        whole[:-20] if broken == "gzip" else gzip.compress(content("t10k-images-idx3-ubyte") + b"!")
    )
    with pytest.raises(
        UserError, match=r"t10k-images-idx3-ubyte\.gz (is not MNIST's: SHA-256|cannot be read)"
    ):
        some(folder)


def test_a_mirror_is_asked_once(
    mirror: tuple[str, Path], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address, _ = mirror
    downloaded = some(None, mirror=address)
    told = capsys.readouterr().err.splitlines()
    assert len(told) == len(_Mirror.asked) == 4
    assert all(line.startswith(f"data mnist: downloading {address}/") for line in told)
    assert torch.equal(downloaded.inputs, some(folder).inputs)
    assert torch.equal(some(None, mirror=address).inputs, downloaded.inputs)
    assert len(_Mirror.asked) == 4
    assert not capsys.readouterr().err


def test_a_mirror_with_another_content_is_refused_and_not_kept(mirror: tuple[str, Path]) -> None:
    address, served = mirror
    file = served / "train-labels-idx1-ubyte.gz"
    right = file.read_bytes()
    file.write_bytes(gzip.compress(b"something else"))
    with pytest.raises(
        UserError, match=r"data\.mirror = .*train-labels-idx1-ubyte\.gz is not MNIST's: SHA-256"
    ):
        some(None, mirror=address)
    file.write_bytes(right)
    assert some(None, mirror=address).samples == 22


def test_a_mirror_without_the_files_is_refused(mirror: tuple[str, Path]) -> None:
    address, served = mirror
    (served / "train-images-idx3-ubyte.gz").unlink()
    with pytest.raises(UserError, match=r"cannot be downloaded \(.*404.*data\.path=FOLDER"):
        some(None, mirror=f"{address}/")


def test_its_experiment_in_small_loses_its_features_one_by_one_and_is_no_evidence(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SPINODAL_OUTPUTS", str(tmp_path))
    monkeypatch.setitem(STYLE, "savefig.dpi", 50)
    data = (f"data.path={folder}", "data.complexity=3", "data.samples=null", "data.test_samples=null")
    small = ("model.width=6", "l2=geom:0.15:0.42:20", "callbacks.curvature.probes=12", "logger=none")
    assert cli.main(["run", "experiment=mnist", *data, *small]) == 0
    rows = read_records(tmp_path / "mnist").sort("l2")
    assert len(rows) == 20
    assert rows["rank"].to_list() == sorted(rows["rank"], reverse=True)
    assert set(rows["rank"]) == {0, 1, 2, 3}
    assert set(rows["criterion"]) == {"flow"}
    assert rows["minimum"].is_null().all()
    assert rows["scalar_curvature"].is_finite().all()
    assert set(rows["curvature_method"]) == {"stochastic"}
    found = find(rows)
    assert found.transitions["location"].is_null().all()
    assert found.agreement.is_empty()
    assert set(found.claims["decision"]) <= {"not decided"}
    sides = found.survey.select("rank_before", "rank_after", "jumps", "transition").rows()
    assert sides == [(3, 2, True, None), (2, 1, True, None), (1, 0, True, None)]
    capsys.readouterr()
    assert cli.main(["report", str(tmp_path / "mnist")]) == 0
    said = capsys.readouterr().out
    assert "survey, no evidence: E seems to jump at 3 places, and rank falls by one at 3 of them" in said
    assert "20 rows; only surveyed: 20" in said
    page = (tmp_path / "mnist" / "report" / "report.html").read_text()
    assert "Nothing here is evidence" in page
    assert (tmp_path / "mnist" / "report" / "mnist-K3-tanh-L3-w6-up-survey.png").exists()


REAL = os.environ.get("SPINODAL_MNIST")


@pytest.mark.skipif(REAL is None, reason="SPINODAL_MNIST names no folder with MNIST's IDX files")
def test_the_real_files_are_the_ones_that_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    task = mnist(REAL, samples=2000, axes=100)
    assert task.targets.argmax(1).bincount().tolist() == [200] * 10
    assert len(task.strengths) == 9
    assert 0.9 < float(task.inputs.square().sum(1).mean()) / 784 < 0.95  # images of 784 pixels, in 100 axes
