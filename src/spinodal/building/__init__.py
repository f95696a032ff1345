"""What a job builds from a plan: its task, networks, optimiser, callbacks and trainer, each mistake with its key.

The job and the preflight, which comes before anything is submitted, build through the same functions: what passes the
one passes the other. Nothing is imported here, since the preflight prints a line before it loads torch.
"""
