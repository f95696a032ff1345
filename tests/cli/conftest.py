"""Commands in a folder of their own, with what stands in for their jobs."""

import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from spinodal.campaign import pack_file, read_pack

Job = Callable[[DictConfig], None]


@pytest.fixture(autouse=True)
def _somewhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SPINODAL_OUTPUTS", raising=False)
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)


@pytest.fixture
def put_in_place_of_the_job(monkeypatch: pytest.MonkeyPatch) -> Callable[[Job], None]:
    """Replaces what a job computes."""

    def put(job: Job) -> None:
        def run_pack(campaign: Path, name: str, where: str) -> None:
            job(OmegaConf.create(read_pack(pack_file(campaign, name)).plan))

        module = types.ModuleType("spinodal.job")
        module.run, module.run_pack = job, run_pack  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "spinodal.job", module)

    return put


@pytest.fixture
def plans(put_in_place_of_the_job: Callable[[Job], None]) -> list[DictConfig]:
    """What the jobs were asked for, in place of the jobs."""
    asked: list[DictConfig] = []
    put_in_place_of_the_job(asked.append)
    return asked
