"""Before anything of ours is imported: one thread per process, and types and shapes checked at run time."""

import dataclasses
import inspect
import os
import sys
import time
from base64 import b64decode
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from contextlib import suppress
from functools import cache, partial, wraps
from pathlib import Path
from types import CodeType, FunctionType, MethodType, NoneType, SimpleNamespace
from typing import Any, get_type_hints

os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")

import jaxtyping
import pytest

# Before the hook below: what is first imported by a module of ours is compiled anew, as if it were ours.
import pytorch_lightning  # noqa: F401
import torch
from beartype import BeartypeConf, beartype
from jaxtyping import TypeCheckError, jaxtyped

# PEP 484's numeric tower: an int passes for a float at run time too, as it does for mypy.
TYPES = beartype(conf=BeartypeConf(is_pep484_tower=True, violation_type=TypeCheckError))
PASSED: defaultdict[CodeType, set[Hashable]] = defaultdict(set)
"""Of each function the kinds of arguments and results that have passed its checks."""
UNKNOWN = "unknown"


def kind(value: object) -> Hashable:
    """All that decides whether a value fits an annotation, where that is little."""
    of = type(value)
    if isinstance(value, torch.Tensor):
        return of, value.dtype, value.shape
    if of is str:
        return value  # for Literal
    if of in (tuple, list) and len(value) < 9:
        parts = tuple(map(kind, value))
        return UNKNOWN if UNKNOWN in parts else (of, parts)
    if of in (bool, int, float, NoneType, FunctionType, MethodType, partial):
        return of
    ours = of.__module__.startswith("spinodal.") or isinstance(value, torch.nn.Module)
    return of if ours and not isinstance(value, Iterable) else UNKNOWN


def checked(what: Any = None, **_: object) -> Any:
    """jaxtyping's decorator, in a fraction of its time: what is of a kind that has passed is not looked at again."""
    if what is None:
        return checked
    if inspect.isclass(what):
        if dataclasses.is_dataclass(what):
            what.__init__ = checked(what.__init__)
        return what
    passed = PASSED[what.__code__]

    def typed(act: Callable[..., Any]) -> Any:
        """A function that does something else with the arguments, but is annotated as this one."""
        acting = wraps(what)(lambda *args, **named: act(*args, **named))
        acting.__annotations__ = {}
        for name, annotation in what.__annotations__.items():
            alone = SimpleNamespace(__annotations__={name: annotation})
            with suppress(Exception):  # what is imported for mypy alone
                acting.__annotations__ |= get_type_hints(alone, what.__globals__, include_extras=True)
        return TYPES(acting)

    @cache
    def whole() -> Any:
        return typed(what)

    @wraps(what)
    def within(*args: Any, **named: Any) -> Any:
        if jaxtyping.config.jaxtyping_disable:
            return what(*args, **named)
        given = (len(args), *map(kind, args), *named, *map(kind, named.values()))
        if given in passed:
            result = what(*args, **named)
            if (given, kind(result)) not in passed:
                with jaxtyped("context"):
                    typed(lambda *args, **named: result)(*args, **named)
        else:
            with jaxtyped("context"):  # where the names of axes have a value
                result = whole()(*args, **named)
        if UNKNOWN not in (of_result := kind(result), *given):
            passed.update((given, (given, of_result)))
        return result

    return within


# Here, not in pytest_configure: a conftest of a folder named on the command line is imported before that.
if "benchmark" not in sys.argv:  # the value of -m; the checks would be measured, too
    jaxtyping.jaxtyped = checked  # the hook decorates with what has this name
    jaxtyping.install_import_hook("spinodal", None)


def pytest_configure(config: pytest.Config) -> None:
    # OmegaConf's DictConfig derives from typing.MutableMapping, and every annotation with it would warn.
    config.addinivalue_line(
        "filterwarnings", "ignore::beartype.roar.BeartypeDecorHintPep585DeprecationWarning"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the long files that need a SLURM first, for no process to wait for another at the end."""
    items.sort(key=lambda item: item.get_closest_marker("cluster") is None)


HANGING = 1800.0
"""Seconds after which what is waited for counts as hanging: no machine is that slow."""


@pytest.fixture(scope="session")
def wait_until() -> Callable[..., None]:
    """Waits for something that will be, however slow the machine is."""

    def wait(what: Callable[[], object], waited_for: str | Callable[[], str], every: float = 0.02) -> None:
        deadline = time.monotonic() + HANGING
        while not what():
            if time.monotonic() > deadline:
                told = waited_for if isinstance(waited_for, str) else waited_for()
                pytest.fail(f"hangs: after {HANGING:.0f} s still not: {told}")
            time.sleep(every)

    return wait


BLANK = b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAG7buVgAAAABJRU5ErkJggg=="
)
"""A picture of one pixel."""


@pytest.fixture
def unpainted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are made, but a blank one is saved: for tests of what stands beside them. Painting takes the time."""
    from spinodal.report import drawing
    from spinodal.report.style import FORMATS

    def save(figure: object, path: Path, formats: Sequence[str] = FORMATS) -> None:
        for suffix in formats:
            Path(f"{path}.{suffix}").write_bytes(BLANK)

    monkeypatch.setattr(drawing, "save", save)
