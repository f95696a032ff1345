"""Identities of the points of all experiments stay what they are, or results already computed are computed again.

`golden_identities.json` has, for each command, the number of its points and a digest of their sorted identities. An
entry changes only if results change (then `spinodal.planning.identity.SCHEMA` does, too) or if the experiment asks for
other points. `python tests/planning/test_golden_identities.py` writes the file again: the commit states the reason.
"""

import hashlib
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from spinodal.planning import conf_dir, config_loader, expand
from spinodal.planning.curves import curves

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).with_name("golden_identities.json")
MINE = "--config-dir"


def commands() -> Iterator[str]:
    """Overrides of every experiment, and of every run that README and launch/ name."""
    for path in sorted((conf_dir() / "experiment").glob("*.yaml")):
        yield f"experiment={path.stem}"
    for name in ("README.md", "launch/reproduce.sh", "launch/transitions.sh"):
        text = (ROOT / name).read_text().replace("\\\n", " ")
        for line in re.findall(r"^(?:spinodal )?run (.*)$", text, re.MULTILINE):
            if MINE not in line and '"$@"' not in line:
                yield " ".join(each for each in shlex.split(line) if not each.startswith("hydra/"))


def identities(command: str) -> dict[str, Any]:
    lines = command.split()
    points = sorted(
        point
        for curve in curves(expand([*_sweeps(lines), *lines], config_loader()))
        for point in curve.points
    )
    return {"points": len(points), "digest": hashlib.sha256("".join(points).encode()).hexdigest()}


def _sweeps(lines: list[str]) -> list[str]:
    """What an experiment sweeps over, as its yaml has it, unless the command gives the key itself."""
    given = {line.partition("=")[0] for line in lines}
    names = [line.partition("=")[2] for line in lines if line.startswith("experiment=")]
    params: dict[str, str] = {}
    for name in names:
        node = OmegaConf.load(conf_dir() / "experiment" / f"{name}.yaml")
        params |= OmegaConf.select(node, "hydra.sweeper.params", default={})
    return [f"{key}={values}" for key, values in params.items() if key not in given]


@pytest.mark.parametrize("command", sorted(set(commands())))
def test_identities_do_not_move(command: str) -> None:
    assert identities(command) == json.loads(GOLDEN.read_text())[command]


def test_no_command_is_forgotten() -> None:
    assert set(json.loads(GOLDEN.read_text())) == set(commands())


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps({each: identities(each) for each in commands()}, indent=1) + "\n")
