"""What comes from elsewhere is read, and never run: files that hold code, or name it, in every place there is."""

import hashlib
import io
import json
import os
import pickle
import shutil
import sys
from pathlib import Path

import polars as pl
import pytest
import torch

from spinodal import cli
from spinodal.protocols import Itinerary, Trajectory, Visit
from spinodal.records import read_records
from spinodal.training import AtomicCheckpointIO

pytestmark = pytest.mark.usefixtures("unpainted")  # nobody looks at the figures

SMALL = [
    "data.complexity=1",
    "data.samples=12",
    "model=deep_linear",
    "model.width=3",
    "l2=[0.05,0.1]",
    "seed=[0,1]",
]

TRAP = """
from pathlib import Path
Path({marker!r}).touch()
def twice(l2, seed): ...
"""


class Trap:
    """Something whose loading runs code."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (self.marker,)


@pytest.fixture
def marker(tmp_path):
    """A file that hostile code makes."""
    yield tmp_path / "marker"
    assert not (tmp_path / "marker").exists(), "code that a file names or holds was run"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A campaign as it was made."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPINODAL_OUTPUTS", str(tmp_path_factory.mktemp("whole")))
        assert cli.main(["run", *SMALL, "logger=none", "campaign=c", "checkpoint.keep=true"]) == 0
        return Path(os.environ["SPINODAL_OUTPUTS"]) / "c"


@pytest.fixture
def campaign(tmp_path, monkeypatch, marker, whole):
    """The same from a colleague, and a module beside it that is a trap."""
    monkeypatch.setenv("SPINODAL_OUTPUTS", str(tmp_path))
    (tmp_path / "trap.py").write_text(TRAP.format(marker=str(marker)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "trap", raising=False)
    shutil.copytree(whole, tmp_path / "c")
    return tmp_path / "c"


def the(kind: str, campaign: Path) -> Path:
    (found,) = (path for path in campaign.glob(kind) if "previous" not in path.name)
    return found


def written(path: Path, content: object, version: int = 2) -> None:
    """A checkpoint with a right checksum: anybody can make one."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    signed = b"spinodal checkpoint %d\n" % version + hashlib.sha256(buffer.getvalue()).digest()
    path.write_bytes(signed + buffer.getvalue())


def changed(path: Path, change) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("where", ["everywhere", "within"])
def test_a_checkpoint_that_holds_code_is_loaded_by_nobody(campaign, marker, capsys, version, where) -> None:
    path = the("checkpoints/*.ckpt", campaign)
    whole = AtomicCheckpointIO().load_checkpoint(path)
    trap = Trap(marker)
    written(
        path, trap if where == "everywhere" else {**whole, "callbacks": {"mine.Own": {"seen": trap}}}, version
    )
    capsys.readouterr()
    assert cli.main(["probe", str(path)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: probe {path}: ")
    assert ("of the version before" if version == 1 else "could run code") in said
    # Nor by a job that would continue from it.
    the("records/*.parquet", campaign).unlink()
    path.with_name(f"{path.stem}.previous.ckpt").unlink()
    assert cli.main(["run", *SMALL, "logger=none", "campaign=c"]) == 0
    assert "not loaded, since that could run code in it" in capsys.readouterr().err
    assert read_records(campaign)["stationary"].all()


def test_a_checkpoint_of_the_version_before_is_continued_by_its_job_and_not_probed(campaign, capsys) -> None:
    path = the("checkpoints/*.ckpt", campaign)
    now = AtomicCheckpointIO().load_checkpoint(path)
    progress = dict(now["progress"])
    progress["itineraries"] = [Itinerary.from_state_dict(each) for each in progress["itineraries"]]
    assert isinstance(progress["itineraries"][0].trajectory, Trajectory)
    progress["visits"] = [each and Visit(**each) for each in progress["visits"]]
    written(path, {**now, "progress": progress}, version=1)
    capsys.readouterr()
    assert cli.main(["probe", str(path)]) == 2
    assert "of the version before" in capsys.readouterr().err
    records = the("records/*.parquet", campaign)
    before = read_records(campaign)
    records.unlink()
    assert cli.main(["run", *SMALL, "logger=none", "campaign=c"]) == 0
    said = capsys.readouterr().err
    assert said.count("is of the version before") == 1
    assert "continuing from" in said
    assert read_records(campaign).drop("wall_time").equals(before.drop("wall_time"))


OWN = """
import numpy as np
import pytorch_lightning as pl

class Odd:
    pass

class Own(pl.Callback):
    kept = None

    def on_train_epoch_end(self, trainer, module):
        Own.epochs += 1

    def state_dict(self):
        return {"seen": [1, {"deep": self.keeps[self.what]}]}

    def load_state_dict(self, state):
        self.loaded = state

    keeps = {"object": Odd(), "numpy": np.float64(1), "array": np.zeros(2), "bytes": b"", "plain": (2.0, "x", None)}
    epochs = 0

    def __init__(self, what):
        self.what = what
"""


@pytest.mark.parametrize("what", ["object", "numpy", "array", "bytes", "plain"])
def test_what_a_callback_of_ones_own_keeps_is_refused_before_any_work(
    tmp_path, monkeypatch, capsys, what
) -> None:
    monkeypatch.setenv("SPINODAL_OUTPUTS", str(tmp_path))
    (tmp_path / "own.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "own", raising=False)
    callback = f"+callbacks.own={{_target_: own.Own, what: {what}}}"
    code = cli.main(["run", *SMALL, "logger=none", "campaign=c", callback])
    said = capsys.readouterr().err
    import own

    if what == "plain":
        assert code == 0
        return
    assert code == 2
    assert own.Own.epochs == 0
    kind = {
        "object": "own.Odd",
        "numpy": "numpy.float64",
        "array": "numpy.ndarray",
        "bytes": "builtins.bytes",
    }[what]
    assert f"checkpoint: callbacks['Own']['seen'][1]['deep'] is {kind}, and must be a tensor" in said
    assert "Traceback" not in said


CALLS = {
    # Modules that are imported, and functions that would be called with what stands beside them.
    "module": ("trap.twice", [0.05, 0.1]),
    "function": ("subprocess.call", ["/bin/touch", "marker"]),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_pack_that_names_code_is_read_and_the_code_left_alone(campaign, marker, capsys, call) -> None:
    name, path = CALLS[call]

    def change(content):
        content["config"]["protocol"]["name"] = name
        content["paths"] = [path for _ in content["paths"]]

    changed(the("packs/*.json", campaign), change)
    for record in campaign.glob("records/*.parquet"):
        record.unlink()
    capsys.readouterr()
    assert cli.main(["status", "--points", str(campaign)]) in (0, 2)
    assert cli.main(["report", str(campaign)]) in (0, 2)
    assert "Traceback" not in capsys.readouterr().err
    assert "trap" not in sys.modules


HOSTILE_YAML = {
    "object": "data: !!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path [{marker}]]\n",
    "name": "data: !!python/name:os.system ''\n",
    "list": "- 1\n- 2\n",
    "broken": "data: [\n",
    "text": "hello",
}


@pytest.mark.parametrize("kind", HOSTILE_YAML)
def test_a_configuration_with_objects_or_without_sense_is_refused_in_a_line(
    campaign, marker, capsys, kind
) -> None:
    the("records/*.yaml", campaign).write_text(HOSTILE_YAML[kind].format(marker=marker))
    capsys.readouterr()
    assert cli.main(["probe", str(the("checkpoints/*.ckpt", campaign))]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: probe ")
    assert "is no configuration" in said
    assert "Traceback" not in said
    assert cli.main(["status", str(campaign)]) == 0
    assert cli.main(["report", str(campaign)]) == 0


def test_looking_neither_imports_nor_instantiates_what_a_configuration_names(
    campaign, marker, capsys
) -> None:
    for path in [the("records/*.yaml", campaign), the("packs/*.json", campaign)]:
        path.write_text(path.read_text().replace("spinodal.networks.MLP", "trap.Net"))
    capsys.readouterr()
    assert cli.main(["status", "--points", str(campaign)]) == 0
    assert cli.main(["report", str(campaign)]) == 0
    assert "trap" not in sys.modules


def test_probe_says_whose_modules_it_is_about_to_run_before_it_does(
    campaign, tmp_path, monkeypatch, capsys
) -> None:
    (tmp_path / "theirs.py").write_text(
        "import sys\nprint('theirs runs', file=sys.stderr)\nraise ImportError('enough')\n"
    )
    monkeypatch.delitem(sys.modules, "theirs", raising=False)
    path = the("records/*.yaml", campaign)
    path.write_text(path.read_text().replace("spinodal.networks.MLP", "theirs.Net"))
    capsys.readouterr()
    assert cli.main(["probe", str(the("checkpoints/*.ckpt", campaign))]) == 2
    said = capsys.readouterr().err
    line = f"about to run spinodal.tasks.linear_teacher, theirs.Net ({tmp_path / 'theirs.py'}), as {path} names them"
    assert line in said.splitlines()
    assert said.index(line) < said.index("theirs runs")


def test_probe_refuses_what_cannot_be_built_in_a_line(campaign, capsys) -> None:
    path = the("records/*.yaml", campaign)
    path.write_text(path.read_text().replace("spinodal.networks.MLP", "nowhere.Net"))
    capsys.readouterr()
    assert cli.main(["probe", str(the("checkpoints/*.ckpt", campaign))]) == 2
    said = capsys.readouterr().err
    assert "nowhere.Net (not found)" in said
    assert "Traceback" not in said


SCRIPT = "<script>alert(1)</script>"
TEXT = ["task", "activation", "campaign", "version", "error_name", "curve", "device", "criterion", "branch"]


def test_names_in_records_are_text_on_the_page(campaign, capsys) -> None:
    """Also those that a page, a figure's formula or a table's markup would take for something else."""
    for odd in (SCRIPT, '" onload="alert(1)', "$\\frac{$", "[/red][link=x]", "${oc.env:HOME}", "a/../b"):
        record = the("records/*.parquet", campaign)
        table = pl.read_parquet(record)
        own = [name for name in TEXT if name in table.columns and name != "branch"]
        table.with_columns(pl.lit(odd).alias(name) for name in own).write_parquet(record)
        capsys.readouterr()
        assert cli.main(["report", str(campaign)]) == 0, odd
        pages = list((campaign / "report").glob("*.html"))
        assert pages
        for page in pages:
            assert SCRIPT not in page.read_text()
            assert 'onload="alert' not in page.read_text()
        assert not (campaign / "b").exists()


def test_records_with_odd_content_are_left_out(campaign, marker, capsys) -> None:
    record = the("records/*.parquet", campaign)
    table = pl.read_parquet(record)
    bytes_of_code = pl.lit(pickle.dumps(Trap(marker))).alias("own")
    table.with_columns(bytes_of_code).write_parquet(record)
    (record.with_name("evil.parquet")).write_bytes(pickle.dumps(Trap(marker)))
    capsys.readouterr()
    with pytest.warns(UserWarning, match=r"evil\.parquet: left out"):
        assert cli.main(["report", str(campaign)]) == 0
    assert cli.main(["status", str(campaign)]) == 0
