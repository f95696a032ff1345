"""One configuration from the choices of its groups, by Hydra, and from values applied to it one by one.

Value overrides never change which files are composed. So groups are composed first and values applied to the
result: a mistake in one hides no other, and many values share one composition.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.hydra_config import HydraConfig
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import (
    InterpolationToMissingValueError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)

from spinodal.errors import UserError
from spinodal.planning.axes import Axis, read_axes
from spinodal.planning.explain import explain, sweep_hint
from spinodal.planning.interpolation import interpolated
from spinodal.planning.loading import config_loader
from spinodal.planning.validate import validate


def plan(
    overrides: Sequence[str] = (), *, config_dir: str | None = None, config_name: str = "config"
) -> DictConfig:
    """The plan of a single configuration, without running it.

    Args:
        overrides: as on the command line of `spinodal run`, without sweeps.
        config_dir: a folder of further configuration, as Hydra's `--config-dir`.
        config_name: of the primary configuration, as Hydra's `--config-name`.

    Returns:
        What `validate` makes of the composed configuration.

    Raises:
        UserError: With every mistake, a line each.
    """
    loader = config_loader(config_dir)
    mistakes: list[str] = []
    axes = read_axes(overrides, loader, mistakes)
    mistakes += [sweep_hint(str(each.override.input_line)) for each in axes if len(each) > 1]
    single = [each for each in axes if len(each) == 1]
    choices, values = partition(single, loader, config_name, mistakes)
    try:
        cfg = composed([each.lines[0] for each in choices], loader, config_name)
    except UserError as error:  # values may be meant for what cannot be composed
        raise UserError("\n".join([*mistakes, str(error)])) from error
    for axis in values:
        apply(axis.override, cfg, mistakes)
    try:
        with known_to_hydra(cfg):
            planned = validate(scope(cfg))
    except UserError as error:
        mistakes += str(error).splitlines()
    if mistakes:
        raise UserError("\n".join(mistakes))
    return planned


def partition(
    axes: Sequence[Axis], loader: ConfigLoaderImpl, config_name: str, mistakes: list[str]
) -> tuple[list[Axis], list[Axis]]:
    """Choices of groups (and the search path, which decides what groups there are), and values."""
    paths = [each.lines[0] for each in axes if each.key == "hydra.searchpath"]
    _, repository = loader._parse_overrides_and_create_caching_repo(config_name, paths)
    choices, values = [], []
    for axis in axes:
        path = axis.key.replace(".", "/")
        if axis.key == "hydra.searchpath":
            choices.append(axis)
        elif path != axis.key and repository.group_exists(path) and not axis.merges:
            mistakes.append(
                f"{axis.override.input_line}: must be keys and values; a choice is made by {path}=…"
            )
        elif not repository.group_exists(axis.key):
            values.append(axis)
        elif wrong := _no_choices(axis, sorted(repository.get_group_options(axis.key, ObjectType.CONFIG))):
            mistakes += wrong
        else:
            (values if axis.merges else choices).append(axis)
    return choices, values


def _no_choices(axis: Axis, options: Sequence[str]) -> list[str]:
    """Mistakes in what is given to a group: choices of its files, or dictionaries of values on top of one."""
    key = axis.key.replace("/", ".")
    if axis.merges and (axis.override.package is not None or key != axis.key):
        return [f"{axis.override.input_line}: a dictionary of values belongs to a key, as in {key}={{…}}"]
    if axis.merges and not all(isinstance(value, dict) for value in axis.values):
        return [
            f"{axis.override.input_line}: must be choices or dictionaries, not both; values for a choice are given "
            f"beside it, as in {key}={options[0]} '{key}={{…}}'"
        ]
    if axis.merges or axis.override.is_delete():
        return []
    return [
        f"{line}: must be one of {', '.join(options)}"
        for line, value in zip(axis.lines, axis.values, strict=True)
        if not isinstance(value, str | list)
    ]


def composed(lines: Sequence[str], loader: ConfigLoaderImpl, config_name: str) -> DictConfig:
    """The configuration that choices of groups make.

    Args:
        lines: the choices.
        loader: of the configuration.
        config_name: of the primary one.

    Raises:
        UserError: With every impossible choice.
    """
    mistakes: list[str] = []
    possible = list(lines)
    while True:
        try:
            cfg = loader.load_configuration(config_name, list(possible), run_mode=RunMode.RUN)
            break
        except (HydraException, OmegaConfBaseException, ValueError) as error:
            mistakes.append(explain(error))
            missing = str(getattr(error, "missing_cfg_file", None)).rpartition("/")[0]
            right = [line for line in possible if line.partition("=")[0].partition("@")[0] != missing]
            if right == possible:
                break
            possible = right
    if mistakes:
        raise UserError("\n".join(mistakes))
    return cfg


def apply(override: Override, cfg: DictConfig, mistakes: list[str]) -> None:
    """Apply a value to a configuration, which a mistake leaves as it is."""
    root = override.key_or_group.partition(".")[0]
    before = copy.deepcopy(cfg.get(root))
    try:
        ConfigLoaderImpl._apply_overrides_to_config([override], cfg)
    except (HydraException, OmegaConfBaseException) as error:
        mistakes.append(explain(error, _keys(cfg, of_hydra=root == "hydra")))
        with open_dict(cfg):  # l2.a=1 fails, but makes a dictionary of l2 first
            cfg.update({root: before} if root in cfg else {})


def scope(cfg: DictConfig) -> DictConfig:
    """A configuration without Hydra's own part."""
    return OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])


def unresolved_of_hydra(cfg: DictConfig) -> list[str]:
    """Mistakes in interpolations of Hydra's own part, which Hydra meets at different moments, or in a job."""
    mistakes = []
    with known_to_hydra(cfg):
        for path, text in interpolated(OmegaConf.to_container(cfg.hydra, resolve=False), ("hydra",)):
            node: Any = cfg
            if path[1] in ("overrides", "runtime") or path[-1] == "override_dirname":
                continue  # what was typed
            try:
                for key in path:
                    node = node[key]
                if OmegaConf.is_config(node):
                    OmegaConf.to_container(node, resolve=True)
            except (MissingMandatoryValue, InterpolationToMissingValueError):
                continue  # what only a job knows
            except OmegaConfBaseException as error:
                key, reason = ".".join(path), explain(error)
                known = reason.startswith(f"{key}: ")
                mistakes.append(f"{key}={text}{reason.removeprefix(key)}" if known else reason)
            except RecursionError:
                mistakes.append(f"{'.'.join(path)}={text}: takes its value from itself")
    return mistakes


@contextmanager
def known_to_hydra(cfg: DictConfig) -> Iterator[None]:
    """As in a run, so that ${hydra:…} resolves."""
    hydra_config = HydraConfig.instance()
    before = hydra_config.cfg
    with read_write(cfg.hydra), open_dict(cfg.hydra):
        cfg.hydra.runtime.output_dir = "${hydra.sweep.dir}/jobs"
    hydra_config.set_config(cfg)
    try:
        yield
    finally:
        hydra_config.cfg = before


def _keys(cfg: DictConfig, of_hydra: bool) -> list[str]:
    """Every key there is, dotted: Hydra's own, or those beside it."""

    def walk(node: Any, prefix: str) -> Iterator[str]:
        for key in node if OmegaConf.is_dict(node) else ():
            yield f"{prefix}{key}"
            if not OmegaConf.is_missing(node, key) and not OmegaConf.is_interpolation(node, key):
                yield from walk(node[key], f"{prefix}{key}.")

    return ["experiment", *(key for key in walk(cfg, "") if key.startswith("hydra") is of_hydra)]
