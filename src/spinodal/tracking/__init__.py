"""The W&B edge: a mirror of the records, drawn against λ.

Nothing is imported here: `spinodal sync` must not wait for torch.
"""
