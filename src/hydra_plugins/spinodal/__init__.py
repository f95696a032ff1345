"""What Hydra finds of spinodal by itself."""
