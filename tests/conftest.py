"""Before anything of ours is imported: one thread per process, and types and shapes checked at run time."""

import os
import sys
import time
from base64 import b64decode
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")

import pytest
from beartype import BeartypeConf, beartype
from jaxtyping import install_import_hook

# PEP 484's numeric tower: an int passes for a float at run time too, as it does for mypy. jaxtyping wants the
# checker by name.
checker = ModuleType("spinodal_typechecker")
checker.check = beartype(conf=BeartypeConf(is_pep484_tower=True))
sys.modules[checker.__name__] = checker

# Here, not in pytest_configure: a conftest of a folder named on the command line is imported before that.
if "benchmark" not in sys.argv:  # the value of -m; the checks would be measured, too
    install_import_hook("spinodal", f"{checker.__name__}.check")


def pytest_configure(config: pytest.Config) -> None:
    # OmegaConf's DictConfig derives from typing.MutableMapping, and every annotation with it would warn.
    config.addinivalue_line(
        "filterwarnings", "ignore::beartype.roar.BeartypeDecorHintPep585DeprecationWarning"
    )


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
