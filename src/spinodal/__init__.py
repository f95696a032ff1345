"""Phase transitions in L2-regularised deep networks: run them, measure their curvature, compare with exact theory."""

__version__ = "0.1.0"
