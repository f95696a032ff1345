"""Types and shapes are checked at run time, also of what has been called before: by the decorator of these tests."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import jaxtyping
import pytest
import torch
from jaxtyping import Float, TypeCheckError
from torch import Tensor

from spinodal.geometry import value_and_gradient

ANSWERS = {"now": torch.zeros(2)}
A, B = torch.zeros(2, 3), torch.zeros(3)


@jaxtyping.jaxtyped
def product(
    a: Float[Tensor, "n k"], b: Float[Tensor, " k"], how: Literal["fast", "slow"] = "fast", by: float = 1
) -> Float[Tensor, " n"]:
    return ANSWERS["now"]


@jaxtyping.jaxtyped
def total(numbers: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(numbers.values())


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    return lambda value: monkeypatch.setitem(ANSWERS, "now", value)


@pytest.mark.parametrize(
    "wrong", [(A, A), (A, torch.zeros(2)), (A.long(), B), (A, B, "other"), (A, B, "slow", "1"), (None, B)]
)
def test_wrong_arguments(wrong: tuple[Any, ...]) -> None:
    for _ in range(2):  # neither a call that passes nor one that fails makes a wrong one pass
        assert product(A, B, "slow", 1) is product(A, B) is ANSWERS["now"]
        with pytest.raises(TypeCheckError):
            product(*wrong)


@pytest.mark.parametrize("wrong", [torch.zeros(3), torch.zeros(2).long(), None, "x", (torch.zeros(2),)])
def test_wrong_results_of_arguments_that_passed(answer: Callable[[Any], None], wrong: Any) -> None:
    product(A, B)
    answer(wrong)
    for _ in range(2):
        with pytest.raises(TypeCheckError):
            product(A, B)


def test_what_holds_others_is_looked_into_each_time() -> None:
    assert total({"a": 1}) == (1,)
    with pytest.raises(TypeCheckError):
        total({"a": "1"})


def test_functions_of_ours_and_those_made_anew_in_them_are_checked() -> None:
    with pytest.raises(TypeCheckError):
        value_and_gradient(lambda theta: theta.sum(-1), "theta")

    def make(value: object) -> Callable[[float], int]:
        @jaxtyping.jaxtyped
        def made(x: float) -> int:
            return value  # type: ignore[return-value]

        return made

    assert make(1)(2) == 1
    with pytest.raises(TypeCheckError):
        make("1")(2)
