"""What a checkpoint may hold: tensors and plain values, so that its loading never runs code."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from spinodal.errors import UserError

VALUES = (Tensor, nn.Parameter, torch.Size, type(None), bool, int, float, complex, str)
"""Types of single values, exactly: a subclass, as of NumPy's numbers or an enum, is pickled by its name, and so are no
bytes at all."""


class KeptError(UserError):
    """A checkpoint would hold more than tensors and plain values."""


def refuse_objects(checkpoint: Mapping[str, Any]) -> None:
    """Refuse a checkpoint that holds anything but tensors and plain values.

    Args:
        checkpoint: as Lightning collects it, with what callbacks keep.

    Raises:
        KeptError: at the first other value, by its name.
    """
    for name, value in checkpoint.items():
        _refuse(value, name)


def _refuse(value: Any, name: str) -> None:
    kind = type(value)
    if kind in VALUES:
        return
    if kind in (list, tuple):
        for place, each in enumerate(value):
            _refuse(each, f"{name}[{place}]")
    elif kind in (dict, OrderedDict):
        for key, each in value.items():
            _refuse(key, f"a key of {name}")
            _refuse(each, f"{name}[{key!r}]")
    else:
        raise KeptError(
            f"checkpoint: {name} is {kind.__module__}.{kind.__qualname__}, and must be a tensor, a number, a string, "
            "or a list or dictionary of these, which loading cannot run code from"
        )
