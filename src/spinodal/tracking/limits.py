"""How much of anything W&B may take."""

from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit
from signal import SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2

HANDLES = getrlimit(RLIMIT_NOFILE)[0]
"""Files that a process may have open."""

LIVE = 256 if HANDLES == RLIM_INFINITY else min(256, HANDLES // 8)
"""Runs of a job that are followed while it computes. Each takes half a megabyte, and three handles of W&B's process."""

CLOSING = 16
"""Runs that are closed at the same time."""

PAUSE = 2.0
"""Seconds between two looks at what is new: nobody sees more, and stages may be short."""

PATIENCE = 60.0
"""Seconds that a run may need to be opened on the server, or to be uploaded when it is closed."""

LOGGED = 30.0
"""Seconds between two lines of a log about the same."""

GRACE = 30.0
"""Seconds that an interrupted job waits for its mirror."""

SILENCE = 5.0
"""Seconds after which somebody who waits for W&B is told so."""

THE_JOBS = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2}
"""Signals for a job, which a terminal or SLURM sends to all processes of it: the job alone decides what follows."""
