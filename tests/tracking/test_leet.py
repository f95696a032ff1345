"""A look at offline runs on a terminal, as `wandb leet` gives it."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time


def seen_on_a_terminal(command, *wanted, patience=1800):
    """What a program has drawn by the time that all of some words are there, or that it counts as hanging."""
    here, there = pty.openpty()
    fcntl.ioctl(there, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
    program = subprocess.Popen(command, stdin=there, stdout=there, stderr=there, start_new_session=True)
    os.close(there)
    drawn, text, deadline = b"", "", time.monotonic() + patience
    while not all(word in text for word in wanted) and time.monotonic() < deadline:
        if select.select([here], [], [], 0.2)[0]:
            drawn += os.read(here, 65536)
            text = re.sub(r"\x1b\[[\d;?<>=]*[a-zA-Z]", "", drawn.decode(errors="replace"))
    os.killpg(program.pid, signal.SIGKILL)
    program.wait()
    os.close(here)
    return text


def test_leet_shows_runs_and_their_curves_against_l2(outputs, go):
    go("l2=[0.03,0.07,0.2]", "seed=[0,1]")
    wanted = ("K=2 L=3 λ=0.03…0.2 up seed", "accuracy", "[x: l2]")
    drawn = seen_on_a_terminal([sys.executable, "-m", "wandb", "leet", str(outputs / "wandb")], *wanted)
    assert not [word for word in wanted if word not in drawn]
