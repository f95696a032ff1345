"""Records come back as they were written, once each, and a file is whole at every moment."""

import math
import re
import resource
import signal
import threading
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from spinodal.errors import UserError
from spinodal.records import (
    COLUMN,
    COLUMNS,
    SCHEMA,
    RecordWriter,
    finished_points,
    read_records,
    write_configuration,
)


def row(point: str = "a", stage: int = 0, **more: Any) -> dict[str, Any]:
    return {"point": point, "stage": stage, "stages": 3, "l2": 0.1 * (stage + 1), "error": 0.5, **more}


def test_every_column_is_named_once_and_explained() -> None:
    assert len(SCHEMA) == len(COLUMNS)
    assert all(column.meaning for column in COLUMNS)


def test_every_number_has_a_unit_and_nothing_else_has() -> None:
    for name, column in COLUMN.items():
        dtype = SCHEMA[name]
        inner = dtype.inner if isinstance(dtype, pl.List) else dtype
        assert (column.unit != "") == pl.DataFrame(schema={"x": inner})["x"].dtype.is_numeric(), name
        if name.endswith("_se"):
            assert column.unit == COLUMN[name.removesuffix("_se")].unit


def test_units_are_those_of_the_equations() -> None:
    """𝓛 = E + c·P, with P = ‖θ‖² for c = λ, dθ = −∇𝓛 dt + √(2T) dW, and a time is steps × step length."""
    units = {
        "E": ("error", "test_error", "loss", "temperature", "effective_temperature", "training_loss"),
        "θ": ("norm", "perturbation", "init_scale"),
        "E/θ": ("grad_max", "training_grad_max"),
        "E/θ²": ("l2", "trace_hessian", "hessian_min", "loss_hessian_max", "soft_mode", "soft_mode_residual"),
        "E/P": ("control_value",),
        "P": ("penalty",),
        "P/θ": ("penalty_gradient",),
        "θ²/E": ("lr", "time_step", "hold_time", "escape_time", "escape_resolution"),
        "1/θ²": ("scalar_curvature",),
        "√E": ("strengths", "noise"),
        "s": ("wall_time",),
    }
    named = {name: unit for unit, names in units.items() for name in names}
    assert {name: COLUMN[name].unit for name in named} == named


def test_columns_have_a_symbol_and_a_label() -> None:
    assert (COLUMN["norm"].symbol, COLUMN["scalar_curvature"].latex) == ("‖θ‖", "$R$")
    assert (COLUMN["soft_mode"].symbol, COLUMN["soft_mode"].latex) == ("soft mode", "soft mode")
    colours = [column.colour for column in COLUMN.values() if column.colour]
    assert len(set(colours)) == len(colours)


def test_the_readme_speaks_of_columns_that_there_are() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    sentence = readme.partition("Some columns of the records are ")[2].partition("\n\n")[0]
    named = re.findall(r"`(\w+)`", sentence)
    assert len(named) > 5
    assert set(named) <= SCHEMA.keys()


def test_rows_come_back(tmp_path: Path) -> None:
    full = row(strengths=[1.0, 0.6], stationary=True, task="digits", norm=math.nan, grad_max=1e-300)
    full |= {"control": "kl", "control_value": 0.5, "penalty": 2.0}
    RecordWriter(tmp_path / "x" / "records" / "j.parquet").append([full, row("b", 2)])
    table = read_records(tmp_path / "x")
    assert table.schema == SCHEMA
    back = table.row(0, named=True)
    assert math.isnan(back.pop("norm"))
    assert {key: value for key, value in back.items() if value is not None} == {
        key: value for key, value in full.items() if key != "norm"
    }
    assert table.row(1, named=True)["strengths"] is None


def test_the_same_row_again_replaces(tmp_path: Path) -> None:
    path = tmp_path / "records" / "j.parquet"
    writer = RecordWriter(path)
    writer.append([row(), row("b")])
    writer.append([row(error=0.25), row(stage=1)])
    RecordWriter(path).append([row("b", error=0.125)])  # as after a restart
    table = read_records(tmp_path).sort("point", "stage")
    assert table.select("point", "stage", "error").rows() == [("a", 0, 0.25), ("a", 1, 0.5), ("b", 0, 0.125)]


def test_a_finished_trajectory_wins_over_a_partial_one(tmp_path: Path) -> None:
    for name, error, stages in (("1", 0.1, 1), ("2", 0.2, 3), ("3", 0.3, 2)):
        RecordWriter(tmp_path / "records" / f"{name}.parquet").append(
            [row(stage=stage, error=error) for stage in range(stages)]
        )
    table = read_records(tmp_path)
    assert table["error"].to_list() == [0.2] * 3
    assert read_records(tmp_path, tmp_path / "records" / "1.parquet").height == 3


def test_finished_points(tmp_path: Path) -> None:
    assert finished_points(tmp_path / "nothing yet") == set()
    records = tmp_path / "records"
    RecordWriter(records / "1.parquet").append([row(stage=stage) for stage in range(3)] + [row("b")])
    assert finished_points(tmp_path) == {"a"}
    RecordWriter(records / "2.parquet").append([row("b", 1), row("b", 2)])  # went on in another job
    assert finished_points(tmp_path) == {"a", "b"}


def test_rows_without_a_control_parameter_have_lambda(tmp_path: Path) -> None:
    mine = {
        "control": "mine",
        "control_value": 0.5,
        "penalty": 2.0,
        "penalty_gradient": 1.0,
        "held": "l2=0.1",
    }
    path = tmp_path / "records" / "j.parquet"
    RecordWriter(path).append([row(norm=3.0), row("b", norm=3.0, **mine)])
    old, own = read_records(tmp_path).sort("point").select("norm", "l2", *mine).rows(named=True)
    assert old == {"norm": 3.0, "l2": 0.1, "control": "l2", "control_value": 0.1, "held": None} | {
        "penalty": 9.0,
        "penalty_gradient": 6.0,
    }
    assert own == {"norm": 3.0, "l2": 0.1} | mine


def test_older_and_newer_files_are_read_together(tmp_path: Path) -> None:
    records = tmp_path / "records"
    RecordWriter(records / "now.parquet").append([row()])
    pl.DataFrame({"point": ["old"], "stage": pl.Series([0], dtype=pl.Int32), "error": [1]}).write_parquet(
        records / "old.parquet"
    )
    pl.DataFrame({"point": ["new"], "stage": [0], "from_the_future": [7]}).write_parquet(
        records / "new.parquet"
    )
    table = read_records(tmp_path).sort("point")
    assert table["point"].to_list() == ["a", "new", "old"]
    assert table["from_the_future"].to_list() == [None, 7, None]
    assert (table["error"].dtype, table["error"].to_list()) == (pl.Float64, [0.5, None, 1.0])
    assert table["stationary"].to_list() == [None] * 3


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "type"])
def test_a_broken_file_is_told_about_and_left_out(tmp_path: Path, damage: str) -> None:
    records = tmp_path / "records"
    RecordWriter(records / "good.parquet").append([row()])
    whole = (records / "good.parquet").read_bytes()
    broken = records / "broken.parquet"
    if damage == "type":
        pl.DataFrame({"point": ["x"], "stage": ["first"]}).write_parquet(broken)
    else:
        broken.write_bytes({"cut": whole[: len(whole) // 2], "empty": b"", "text": b"hello"}[damage])
    with pytest.warns(UserWarning, match=r"broken\.parquet: left out") as seen:
        assert read_records(tmp_path)["point"].to_list() == ["a"]
    assert len(seen) == 1
    if damage != "type":
        with pytest.raises(UserError, match="move it away"):
            RecordWriter(broken)


def test_asking_for_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no records"):
        read_records(tmp_path)
    with pytest.raises(UserError, match="no such campaign"):
        read_records(tmp_path / "nowhere")


def test_rows_that_are_no_records_are_refused(tmp_path: Path) -> None:
    writer = RecordWriter(tmp_path / "j.parquet")
    with pytest.raises(ValueError, match=r"eror.*did you mean error"):
        writer.append([row(eror=1.0)])
    with pytest.raises(ValueError, match=r"colour.*a number"):
        writer.append([row(colour="red")])
    with pytest.raises(ValueError, match="point"):
        writer.append([{"stage": 0}])
    writer.append([])
    assert not list(tmp_path.iterdir())


def test_observables_of_ones_own_have_columns_of_their_own(tmp_path: Path) -> None:
    """Also where only later rows have them, and beside files that do not."""
    writer = RecordWriter(tmp_path / "c" / "records" / "j.parquet")
    writer.append([row(stage=0)])
    writer.append([row(stage=1, sharpness=2), row(stage=2, sharpness=None)])
    RecordWriter(tmp_path / "c" / "records" / "k.parquet").append([row(point="b", sharpness=0.5)])
    table = read_records(tmp_path / "c").sort("point", "stage")
    assert table["sharpness"].to_list() == [None, 2.0, None, 0.5]
    assert table.schema["sharpness"] == pl.Float64
    assert table.columns[: len(SCHEMA)] == list(SCHEMA)


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "j.parquet"
    writer = RecordWriter(path)
    writer.append([row()])
    before = path.read_bytes()
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.getsignal(signal.SIGXFSZ)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, limits[1]))
    try:
        with pytest.raises(UserError, match=r"j\.parquet: cannot be written"):
            writer.append([row(stage=1)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["j.parquet"]
    writer.append([row(stage=1)])
    assert read_records(path).height == 2


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "records").write_text("a file where the folder should be")
    with pytest.raises(UserError, match="cannot be written"):
        RecordWriter(tmp_path / "records" / "j.parquet").append([row()])
    with pytest.raises(UserError, match="cannot be written"):
        write_configuration(tmp_path / "records" / "j.yaml", "l2: 0.1\n")


def test_configuration_is_written_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "records" / "j.yaml"
    write_configuration(path, "λ: 0.1\n")
    assert path.read_text(encoding="utf-8") == "λ: 0.1\n"


@pytest.mark.filterwarnings("error")
def test_a_reader_beside_the_writer_sees_whole_files(tmp_path: Path) -> None:
    path = tmp_path / "records" / "j.parquet"
    writer = RecordWriter(path)
    writer.append([row()])
    done = threading.Event()

    def write() -> None:
        for stage in range(60):
            writer.append([row(f"{each}", stage) for each in range(50)])
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    heights = []
    while not done.is_set():
        heights.append(read_records(tmp_path).height)
    thread.join()
    assert heights == sorted(heights)
    assert read_records(tmp_path).height == 3001


def test_a_hundred_thousand_rows_at_once(tmp_path: Path) -> None:
    (tmp_path / "records").mkdir()
    rows = pl.DataFrame(
        [row(f"{point}", stage, strengths=[1.0, 0.6]) for point in range(5) for stage in range(40)],
        schema=SCHEMA,
    )
    for job in range(500):
        rows.with_columns(pl.col("point") + f"-{job}").write_parquet(tmp_path / "records" / f"{job}.parquet")
    assert read_records(tmp_path).height == 100_000
