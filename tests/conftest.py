"""Before anything of ours is imported: one thread per process, and types and shapes checked at run time."""

import os
import sys
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


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("markexpr") != "benchmark":  # or the checks would be measured, too
        install_import_hook("spinodal", f"{checker.__name__}.check")
    # OmegaConf's DictConfig derives from typing.MutableMapping, and every annotation with it would warn.
    config.addinivalue_line(
        "filterwarnings", "ignore::beartype.roar.BeartypeDecorHintPep585DeprecationWarning"
    )
