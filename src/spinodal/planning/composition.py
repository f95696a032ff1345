"""From a command line to a plan: Hydra's own composition, with every mistake reported at once."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra import version
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.hydra_config import HydraConfig
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.utils import setup_globals
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

import spinodal
from spinodal.errors import UserError
from spinodal.planning.explain import explain, sweep_hint
from spinodal.planning.schema import BY_TARGET, FIXED
from spinodal.planning.validate import validate

VERSION_BASE = "1.3"


def conf_dir() -> Path:
    """Where the configuration is: in the package once installed, else at the top of the repository."""
    package = Path(spinodal.__file__).resolve().parent
    return package / "conf" if (package / "conf").is_dir() else package.parents[1] / "conf"


def plan(
    overrides: Sequence[str] = (),
    *,
    sweeping: bool = False,
    config_dir: str | None = None,
    config_name: str = "config",
) -> DictConfig:
    """The plan of `spinodal run OVERRIDES`, without running it; of a sweep, the plan of its first point.

    Value overrides never change which files are composed. So groups are composed first, by Hydra, and values
    applied to the result one by one: a mistake in one hides no other.

    Args:
        overrides: as on the command line.
        sweeping: whether several values for a key are allowed.
        config_dir: a folder of further configuration, as Hydra's `--config-dir`.
        config_name: of the primary configuration, as Hydra's `--config-name`.

    Returns:
        What `validate` makes of the composed configuration.

    Raises:
        UserError: With every mistake, a line each.
    """
    loader = _loader(config_dir)
    mistakes: list[str] = []
    readable = list(_readable(overrides, loader, sweeping, mistakes))
    choices, values = _partition(readable, loader, config_name, mistakes)
    cfg = _composed(choices, loader, config_name, mistakes)
    for override in values:
        _apply(override, cfg, mistakes)
    try:
        with _known_to_hydra(cfg):
            planned = validate(OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"]))
    except UserError as error:
        mistakes += str(error).splitlines()
    if mistakes:
        raise UserError("\n".join(mistakes))
    return planned


def _loader(config_dir: str | None) -> ConfigLoaderImpl:
    version.setbase(VERSION_BASE)
    setup_globals()
    search_path = create_config_search_path(str(conf_dir()))
    if config_dir is not None:
        folder = Path(config_dir).resolve()
        if not folder.is_dir():
            raise UserError(f"--config-dir {config_dir}: no such folder")
        search_path.prepend("command-line", f"file://{folder}", SearchPathQuery(provider="schema"))
    return ConfigLoaderImpl(config_search_path=search_path)


def _readable(
    overrides: Sequence[str], loader: ConfigLoaderImpl, sweeping: bool, mistakes: list[str]
) -> Iterator[Override]:
    """The overrides that can be read, with the first value of every sweep."""
    parser = OverridesParser.create(config_loader=loader)
    for line in overrides:
        try:
            override = parser.parse_overrides([line])[0]
            if override.is_sweep_override():
                if reason := _unsweepable(override, sweeping):
                    mistakes.append(reason)
                    continue
                first = next(override.sweep_string_iterator())
                override = parser.parse_overrides([f"{override.get_key_element()}={first}"])[0]
        except StopIteration:
            mistakes.append(f"{line}: nothing to choose from")
        except HydraException as error:
            mistakes.append(explain(error))
        else:
            yield override


def _unsweepable(override: Override, sweeping: bool) -> str:
    if not sweeping:
        return sweep_hint(str(override.input_line))
    if override.is_hydra_override():
        return f"{override.input_line}: keys of Hydra's own cannot be swept over"
    return "" if override.is_discrete_sweep() else f"{override.input_line}: must be values or a range"


def _partition(
    overrides: Sequence[Override], loader: ConfigLoaderImpl, config_name: str, mistakes: list[str]
) -> tuple[list[Override], list[Override]]:
    """Group choices (and the search path, which decides what groups there are), and values."""
    lines = [str(override.input_line) for override in overrides]
    _, repository = loader._parse_overrides_and_create_caching_repo(config_name, lines)
    choices, values = [], []
    for override in overrides:
        key, value = override.key_or_group, override.value()
        if key == "hydra.searchpath":
            choices.append(override)
        elif isinstance(value, dict) or not repository.group_exists(key):
            values.append(override)
        elif isinstance(value, str | list) or override.is_delete():
            choices.append(override)
        else:
            options = repository.get_group_options(key, ObjectType.CONFIG)
            mistakes.append(f"{override.input_line}: must be one of {', '.join(sorted(options))}")
    return choices, values


def _composed(
    choices: list[Override], loader: ConfigLoaderImpl, config_name: str, mistakes: list[str]
) -> DictConfig:
    """The configuration these choices make; impossible choices end it, since values may be meant for them."""
    impossible: list[Override] = []
    while True:
        possible = [choice for choice in choices if choice not in impossible]
        try:
            lines = [str(choice.input_line) for choice in possible]
            cfg = loader.load_configuration(config_name, lines, run_mode=RunMode.RUN)
            break
        except (HydraException, OmegaConfBaseException, ValueError) as error:
            mistakes.append(explain(error))
            missing = str(getattr(error, "missing_cfg_file", None))
            wrong = [choice for choice in possible if missing.startswith(f"{choice.key_or_group}/")]
            if not wrong:
                raise UserError("\n".join(mistakes)) from error
            impossible += wrong
    if impossible:
        raise UserError("\n".join(mistakes))
    # As written: OmegaConf would stop at the first value of a wrong type, `validate` names them all.
    with open_dict(cfg):
        for group in (*BY_TARGET, *FIXED):
            if OmegaConf.is_dict(cfg.get(group)) and OmegaConf.get_type(cfg, group) is not dict:
                cfg[group] = OmegaConf.create(
                    OmegaConf.to_container(cfg[group], resolve=False), flags={"struct": False}
                )
    return cfg


def _apply(override: Override, cfg: DictConfig, mistakes: list[str]) -> None:
    root = override.key_or_group.partition(".")[0]
    before = copy.deepcopy(cfg.get(root))
    try:
        ConfigLoaderImpl._apply_overrides_to_config([override], cfg)
    except (HydraException, OmegaConfBaseException) as error:
        mistakes.append(explain(error, _keys(cfg)))
        with open_dict(cfg):  # l2.a=1 fails, but makes a dictionary of l2 first
            cfg.update({root: before} if root in cfg else {})


@contextmanager
def _known_to_hydra(cfg: DictConfig) -> Iterator[None]:
    """As in a run, so that ${hydra:…} resolves."""
    hydra_config = HydraConfig.instance()
    before = hydra_config.cfg
    with open_dict(cfg.hydra):
        cfg.hydra.runtime.output_dir = "${hydra.run.dir}"
    hydra_config.set_config(cfg)
    try:
        yield
    finally:
        hydra_config.cfg = before


def _keys(cfg: DictConfig) -> list[str]:
    """Every key there is, dotted."""

    def walk(node: Any, prefix: str) -> Iterator[str]:
        for key in node if OmegaConf.is_dict(node) else ():
            yield f"{prefix}{key}"
            if not OmegaConf.is_missing(node, key) and not OmegaConf.is_interpolation(node, key):
                yield from walk(node[key], f"{prefix}{key}.")

    return ["experiment", *(key for key in walk(cfg, "") if not key.startswith("hydra"))]
