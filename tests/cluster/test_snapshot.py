"""The copy of the code that SLURM jobs run holds a user's own modules as they were planned."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from spinodal.cluster import snapshot
from spinodal.planning import named
from spinodal.planning.modules import contents


def test_own_modules_have_one_content_here_and_in_the_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "mine"
    for name, text in {
        "snap_walk.py": "import snap_pack.steps\ndef walk(l2, seed): pass\n",
        "snap_pack/__init__.py": "",
        "snap_pack/steps.py": "from . import near\n",
        "snap_pack/near.py": "import snap_leaf\n",
        "snap_leaf.py": "x = 1\n",
        "snap_other.py": "",
    }.items():
        (mine / name).parent.mkdir(parents=True, exist_ok=True)
        (mine / name).write_text(text)
    monkeypatch.syspath_prepend(str(mine))
    config: dict[str, Any] = {"data": {}, "protocol": {"name": "snap_walk.walk"}}
    here = contents(named(config).values())
    assert here.keys() == {
        f"snap_{name}.py" for name in ("walk", "leaf", "pack/__init__", "pack/steps", "pack/near")
    }
    copy = snapshot.take(tmp_path / "campaign", iter([config]))
    assert not (copy / "snap_other.py").exists()
    (mine / "snap_leaf.py").write_text("x = 2\n")
    command = "from spinodal.planning.modules import contents; print(contents(['snap_walk.walk']))"
    there = subprocess.run(
        [sys.executable, "-P", "-c", command],
        env={**os.environ, "PYTHONPATH": str(copy)},
        cwd=mine,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert there.strip() == str(here)
