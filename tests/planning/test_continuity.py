"""Other defaults, or another schema of the code, are told and not mixed in."""

import json
from pathlib import Path
from typing import Any

import pytest

from spinodal.campaign import write_launch
from spinodal.errors import UserError
from spinodal.planning import config_loader, expand
from spinodal.planning.continuity import defaults, refuse_mixture
from spinodal.planning.identity import SCHEMA


def launched(campaign: Path, *lines: str, schema: int = SCHEMA, **changed: Any) -> None:
    then = defaults(expand(lines, config_loader()))
    for values in then.values():
        values.update({key: changed[key] for key in values if key in changed})
    keys = [line.partition("=")[0] for line in lines]
    write_launch(campaign, lines, schema=schema, defaults=then, keys=keys)


def compare(campaign: Path, *lines: str) -> None:
    now = defaults(expand(lines, config_loader()))
    refuse_mixture(campaign, now, [line.partition("=")[0] for line in lines])


def test_the_same_and_more_is_fine(tmp_path: Path) -> None:
    compare(tmp_path, "seed=0")
    launched(tmp_path, "seed=0")
    compare(tmp_path, "seed=0")
    compare(tmp_path, "model.width=4,8", "data=digits,linear_teacher")
    compare(tmp_path, "experiment=onset")


def test_another_default_is_told(tmp_path: Path) -> None:
    launched(tmp_path, "seed=0", **{"relaxation.tolerance": 1e-6, "model.init_scale": 0.5})
    with pytest.raises(UserError) as refused:
        compare(tmp_path, "seed=1", "model=deep_linear")
    (line,) = str(refused.value).splitlines()  # of the other model nothing is known
    assert line.startswith("relaxation.tolerance: is 1e-08 by default, and was 1e-06 when campaign=")
    assert "write relaxation.tolerance=1e-06 to go on, or choose another campaign" in line
    with pytest.raises(UserError) as refused:
        compare(tmp_path, "seed=1")
    assert len(str(refused.value).splitlines()) == 2
    # Who says what is meant may go on.
    compare(tmp_path, "seed=1", "relaxation.tolerance=1e-06", "model.init_scale=1")


def test_what_was_said_then_is_no_default(tmp_path: Path) -> None:
    launched(tmp_path, "model.width=4", **{"model.width": 4})
    compare(tmp_path, "seed=1")


def test_an_experiment_has_defaults_of_its_own(tmp_path: Path) -> None:
    launched(tmp_path, "experiment=onset", **{"model.width": 99})
    compare(tmp_path, "seed=1")
    with pytest.raises(UserError, match=r"model\.width: is 16 by default, and was 99"):
        compare(tmp_path, "experiment=onset")


def test_another_schema_is_told(tmp_path: Path) -> None:
    launched(tmp_path, "seed=0", schema=SCHEMA - 1)
    with pytest.raises(
        UserError, match=rf"have schema {SCHEMA - 1}; those of this version have schema {SCHEMA}"
    ):
        compare(tmp_path, "seed=0")


def test_notes_of_somebodys_own_are_no_launch(tmp_path: Path) -> None:
    launched(tmp_path, "seed=0")
    (tmp_path / "launches" / "notes.json").write_text(json.dumps({"when": "yesterday"}))
    compare(tmp_path, "seed=0")
