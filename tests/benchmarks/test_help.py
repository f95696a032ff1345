"""Help comes at once: it takes little more than Python and the libraries it is made of."""

import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.benchmark

MOST = 2.0
"""Times what Python takes to begin and to import OmegaConf, which reads the text."""


def fastest(*command, times=5):
    """Seconds of the fastest of some tries."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        subprocess.run([sys.executable, *command], check=True, capture_output=True)
        taken.append(time.perf_counter() - start)
    return min(taken)


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["predict", "--help"], ["--version"]])
def test_help_is_quick(arguments, show):
    ours = fastest("-m", "spinodal.cli", *arguments)
    alone = fastest("-c", "import argparse, omegaconf, hydra.errors")
    show(" ".join(arguments), ("", "seconds"), [("spinodal", ours), ("its libraries", alone)])
    assert ours < MOST * alone
