"""Runs without an account, and what W&B has on disk read back with its own tool."""

import json
import subprocess

import pytest
import wandb
from wandb.util import get_core_path

from spinodal.job import run
from spinodal.planning import plan
from spinodal.tracking.mirror import finish

SMALL = ("data.complexity=2", "data.samples=12", "model=deep_linear", "model.width=4", "campaign=c")


@pytest.fixture(autouse=True)
def outputs(tmp_path, monkeypatch):
    """The campaign's folder; no key, no account, no server."""
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_DIR", "WANDB_PROJECT", "WANDB_ENTITY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "wandb-config"))
    monkeypatch.setenv("SPINODAL_OUTPUTS", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    wandb.teardown()  # it reads its settings once in a process
    yield tmp_path / "c"
    wandb.teardown()


@pytest.fixture
def go(outputs):
    """Runs a small job in this process, and waits for its mirror."""

    def start(*overrides, wait=True):
        run(plan([*SMALL, *overrides]))
        assert not wait or finish()

    return start


def leet_inspect(folder, *flags):
    """What `wandb leet inspect --json` prints, without the second that Python takes to start it."""
    (file,) = folder.glob("*.wandb")
    command = [get_core_path(), "leet", "inspect", "--no-observability", "--json", *flags]
    told = subprocess.run(
        [*command, "--run-file", str(file), str(folder.parent)], capture_output=True, text=True
    )
    assert told.returncode == 0, told.stderr
    return told.stdout


class Inspected:
    """One run, as `wandb leet inspect` tells it."""

    def __init__(self, folder):
        told = json.loads(leet_inspect(folder, "--summary"))
        records = [json.loads(line) for line in leet_inspect(folder).splitlines()]
        self.id, self.name, self.tags = told["run_id"], told["name"], told["tags"]
        self.config, self.summary = told["config"], told["summary"]
        self.state, self.exit_code = told["state"], told["exit_code"]
        self.history = [
            {name: value for name, value in record["history"]["item"].items() if not name.startswith("_")}
            for record in records
            if record["type"] == "history"
        ]
        metrics = [record["metric"] for record in records if record["type"] == "metric"]
        self.axes = {metric["name"]: metric.get("step_metric") for metric in metrics if "name" in metric}
        self.files = folder / "files"
        self.run = next((record["run"] for record in records if record["type"] == "run"), None)

    def stages(self):
        """The rows against λ."""
        return [row for row in self.history if "stage" in row]


@pytest.fixture
def leet():
    """All that W&B's own tool reads of the folder of a run."""
    return leet_inspect


@pytest.fixture
def closed(outputs):
    """What is left of every run that was closed, by its id."""

    def read():
        folder = outputs / "wandb" / "closed"
        return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}

    return read


@pytest.fixture
def inspect(outputs):
    """All runs under a folder of the campaign, oldest first."""

    def read(place="wandb"):
        folders = sorted((outputs / place).glob("*run-*-*/"), key=lambda path: path.name.partition("run-")[2])
        # A kill leaves folders with nothing in them.
        return [Inspected(folder) for folder in folders if list(folder.glob("*.wandb"))]

    return read
