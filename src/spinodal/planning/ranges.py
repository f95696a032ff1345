"""Ranges that keys of a configuration share. Descriptions complete the sentence "must be …"."""

import re
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from spinodal.planning import grid


def one_of(*choices: str, or_dotted: bool = False) -> Any:
    """One of a few words (a Literal, which OmegaConf does not take), or the dotted path of somebody's own."""
    pattern = "|".join(re.escape(choice) for choice in choices) + or_dotted * r"|[^\W\d]\w*(\.[^\W\d]\w*)+"
    return Field(strict=True, pattern=f"^({pattern})$", description=f"one of {', '.join(choices)}")


def folder_name(value: object) -> str:
    """A plain folder name; a number is one too."""
    text = str(value) if type(value) is int else value
    if not isinstance(text, str) or not re.fullmatch(r"\w[\w.+-]{0,99}", text):
        raise ValueError(
            "must be a plain folder name: a letter or digit, then at most 99 of those and _ . + -"
        )
    return text


def digits(value: object) -> object:
    """Digits to which jumps are bisected; or the word for their location by continuation."""
    if value != "exact" and not (type(value) is int and 0 <= value <= 10):
        raise ValueError("must be an integer from 0 to 10, or exact")
    return value


Target = Annotated[str, Field(strict=True)]
Switch = Annotated[bool, Field(strict=True, description="true or false")]
Count = Annotated[int, Field(strict=True, ge=1, description="an integer ≥ 1")]
Seed = Annotated[int, Field(strict=True, ge=0, le=grid.LARGEST_SEED, description="an integer ≥ 0")]
Positive = Annotated[
    float, Field(strict=True, gt=0, allow_inf_nan=False, description="a finite number above 0")
]
NonNegative = Annotated[
    float, Field(strict=True, ge=0, allow_inf_nan=False, description="a finite number ≥ 0")
]
Fraction = Annotated[
    float, Field(strict=True, gt=0, lt=1, description="a number between 0 and 1, both excluded")
]
Decay = Annotated[float, Field(strict=True, ge=0, lt=1, description="a number from 0 to below 1")]
OptionalCount = Annotated[Count | None, Field(description="an integer ≥ 1, or null")]
OptionalText = Annotated[str | None, Field(strict=True, min_length=1, description="a name, or null")]
Phase = Annotated[
    Annotated[int, Field(strict=True, ge=0)] | None,
    Field(description="an integer from 0 to data.complexity, or null"),
]


class Checked:
    """What all of them have in common: an unknown key is refused."""

    __pydantic_config__ = ConfigDict(extra="forbid")
