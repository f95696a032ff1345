"""What is measured is the package as users have it, on one thread."""

import logging
import warnings

import pytest
import torch
from rich.console import Console
from rich.table import Table

from spinodal.ensemble import Ensemble


@pytest.fixture(autouse=True)
def undisturbed():
    if hasattr(Ensemble.outputs, "__wrapped__"):
        pytest.skip("measure with -m benchmark alone: other tests check types at run time")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    torch.set_num_threads(threads)


@pytest.fixture
def show(capsys):
    """Prints a table, captured output or not."""

    def print_table(title, header, rows):
        table = Table(*header, title=title, title_justify="left")
        for row in rows:
            table.add_row(
                *(
                    each if isinstance(each, str) else f"{each:,.3g}" if each < 1000 else f"{each:,.0f}"
                    for each in row
                )
            )
        with capsys.disabled():
            Console(width=120).print("\n", table)

    return print_table
