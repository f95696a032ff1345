"""How much of anything W&B may take."""

LIVE = 16
"""Runs that may be open at the same time."""

PATIENCE = 60.0
"""Seconds that a run may need to be opened on the server, or to be uploaded when it is closed."""

GRACE = 30.0
"""Seconds that an interrupted job waits for its mirror."""

SILENCE = 5.0
"""Seconds after which somebody who waits for W&B is told so."""
