"""The house stays as it was drawn: who may import whom, and how large a module may grow."""

import ast
import graphlib
import statistics
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import resolve_name
from pathlib import Path

import spinodal

SOURCE = Path(spinodal.__file__).parent

MATHEMATICS = {"errors", "tasks", "networks", "penalties", "geometry", "continuation", "theory"}
ALLOWED = {
    "errors": set(),
    "files": {"errors"},
    "signatures": {"errors"},
    "tasks": {"errors"},
    "networks": {"errors"},
    "penalties": set(),
    "geometry": {"errors"},
    "continuation": {"geometry"},
    "theory": {"errors"},
    "campaign": {"errors", "files", "protocols"},
    "records": {"errors", "files"},
    "ensemble": MATHEMATICS,
    "protocols": MATHEMATICS | {"signatures"},
    "training": MATHEMATICS | {"ensemble", "protocols", "files", "campaign", "records"},
    "observables": MATHEMATICS | {"ensemble", "protocols", "records", "training", "waiting"},
    "planning": {"errors", "signatures", "protocols", "campaign", "records", "waiting"},
    "cluster": {"errors", "files", "campaign", "planning", "job", "waiting"},
    "tracking": {"errors", "files", "campaign", "records", "analysis"},
    "analysis": {"errors", "files", "theory", "records"},
    "report": {"errors", "theory", "campaign", "records", "analysis", "waiting"},
    "building": MATHEMATICS
    | {"signatures", "ensemble", "protocols", "training", "campaign", "planning", "waiting"},
    "fitting": MATHEMATICS
    | {"files", "ensemble", "protocols", "training", "observables"}
    | {"campaign", "records", "tracking", "building"},
    "job": {"errors", "building", "fitting", "protocols", "training", "campaign", "records", "planning"},
    "points": {"errors", "campaign", "planning", "cluster"},
    "status": {"campaign", "planning", "points"},
    "predict": {"errors", "campaign", "building", "tasks", "theory", "planning", "report"},
    "probe": MATHEMATICS | {"campaign", "building", "ensemble", "planning", "training", "waiting"},
    "cli": {
        "arguments",
        "errors",
        "planning",
        "cluster",
        "records",
        "job",
        "status",
        "predict",
        "probe",
        "report",
        "tracking",
        "waiting",
    },
    "arguments": set(),
    "waiting": set(),
    "__init__": {"analysis", "records"},
}
"""What each room may import of ours. Arrows only point downwards: no room is above and below another."""

HOMES = {
    "torch": {
        "tasks",
        "networks",
        "penalties",
        "geometry",
        "continuation",
        "ensemble",
        "training",
        "observables",
        "building",
        "fitting",
        "job",
        "probe",
    },
    "pytorch_lightning": {"training", "observables", "tracking", "building", "fitting"},
    "lightning": set(),
    "hydra": {"cli", "planning", "cluster", "building"},
    "omegaconf": {"cli", "planning", "cluster", "building", "fitting", "job", "predict", "probe"},
    "submitit": {"cluster"},
    "joblib": {"planning"},
    "wandb": {"tracking"},
    "polars": {"records", "analysis", "report", "tracking"},
    "matplotlib": {"report"},
    "jinja2": {"report"},
}
"""The only rooms that know each of these libraries: the mathematics knows none but torch."""

MODULES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(SOURCE.rglob("*.py"))}


def room_of(path: Path) -> str:
    """The first folder inside the package, or the module itself; "__init__" for the package's own."""
    return path.relative_to(SOURCE).with_suffix("").parts[0]


def imports(path: Path) -> Iterator[str]:
    """Full names of what a module imports anywhere, inside functions and for type checkers too."""
    package = ".".join(["spinodal", *path.relative_to(SOURCE).parent.parts])
    for node in ast.walk(MODULES[path]):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = resolve_name("." * node.level + (node.module or ""), package)
            yield from (f"{module}.{name.name}" for name in node.names)


def test_the_drawing_has_no_circles() -> None:
    graphlib.TopologicalSorter(ALLOWED).prepare()


def test_every_room_is_drawn() -> None:
    assert {room_of(path) for path in MODULES} <= {"__init__", *ALLOWED}


def test_arrows_point_downwards() -> None:
    wrong = []
    for path in MODULES:
        room = room_of(path)
        for name in imports(path):
            top, _, inside = name.partition(".")
            target = inside.partition(".")[0]
            if top == "spinodal" and target in ALLOWED and target not in {room, *ALLOWED.get(room, ())}:
                wrong.append(f"{path.relative_to(SOURCE)} imports {name}")
    assert not wrong


def test_libraries_stay_in_their_homes() -> None:
    wrong = []
    for path in MODULES:
        for name in imports(path):
            homes = HOMES.get(name.partition(".")[0])
            if homes is not None and room_of(path) not in homes:
                wrong.append(f"{path.relative_to(SOURCE)} imports {name}")
    assert not wrong


def test_asking_and_planning_load_nothing_heavy() -> None:
    """Help and refusals must come at once, so nothing here may load these even through another module."""
    light = [path for path in MODULES if room_of(path) in {"campaign", "planning", "status", "cli"}]
    names = [".".join(["spinodal", *path.relative_to(SOURCE).with_suffix("").parts]) for path in light]
    script = (
        "import importlib, sys\n"
        f"for name in {names}: importlib.import_module(name)\n"
        "heavy = {'torch', 'pytorch_lightning', 'wandb', 'polars', 'matplotlib', 'sklearn'}\n"
        "print(*heavy & set(sys.modules))"
    )
    loaded = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    assert len(names) >= 2
    assert not loaded.split()


def test_modules_stay_small_and_are_named_for_what_they_do() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert not {str(path): length for path, length in lengths.items() if length > 350}
    assert statistics.median(lengths.values()) < 120
    assert not {path.stem for path in MODULES} & {"utils", "helpers", "common", "misc"}
