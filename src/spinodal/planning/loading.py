"""Where configuration comes from: Hydra's loader over conf/ and whatever folders a person adds."""

from __future__ import annotations

from pathlib import Path

from hydra import version
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.utils import setup_globals

import spinodal
from spinodal.errors import UserError

VERSION_BASE = "1.3"


def conf_dir() -> Path:
    """Where the configuration is: in the package once installed, else at the top of the repository."""
    package = Path(spinodal.__file__).resolve().parent
    return package / "conf" if (package / "conf").is_dir() else package.parents[1] / "conf"


def config_loader(config_dir: str | None = None) -> ConfigLoaderImpl:
    """A loader like the one Hydra makes of a command line.

    Args:
        config_dir: a folder of further configuration, as Hydra's `--config-dir`.

    Raises:
        UserError: If there is no such folder.
    """
    version.setbase(VERSION_BASE)
    setup_globals()
    search_path = create_config_search_path(str(conf_dir()))
    if config_dir is not None:
        folder = Path(config_dir).resolve()
        if not folder.is_dir():
            raise UserError(f"--config-dir {config_dir}: no such folder")
        search_path.prepend("command-line", f"file://{folder}", SearchPathQuery(provider="schema"))
    return ConfigLoaderImpl(config_search_path=search_path)
