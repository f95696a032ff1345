"""Objects that a configuration names by `_target_`, or one line about why there are none."""

from __future__ import annotations

from typing import Any, TypeVar

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig

from spinodal.errors import UserError
from spinodal.planning.explain import explain, raised

T = TypeVar("T")


class BuildError(UserError):
    """Something that a configuration names cannot be built.

    Attributes:
        shared: whether that holds for all points with this configuration, and not for some alone.
    """

    def __init__(self, message: str, shared: bool = True) -> None:
        super().__init__(message)
        self.shared = shared


def made(config: DictConfig, kind: type[T], **arguments: Any) -> T:
    """Instantiate a part of a plan.

    Args:
        config: with a `_target_`.
        kind: what it must be.
        arguments: instead of, or besides, those in the configuration.

    Raises:
        BuildError: If its `_target_` cannot be imported, raises, or returns something else.
    """
    try:
        result = instantiate(config, **arguments)
    except InstantiationException as error:
        raise BuildError(explain(error)) from error
    except SystemExit as error:  # which a user's script may end in
        key, target = str(config._get_full_key(None)), str(config.get("_target_"))
        raise BuildError(raised(key, target, error)) from error
    if not isinstance(result, kind):
        raise BuildError(
            f"{config._get_full_key(None)}: {config.get('_target_')} returned {type(result).__name__}: must return a "
            f"{kind.__module__}.{kind.__name__}"
        )
    return result
