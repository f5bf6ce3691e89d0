"""Distcheck proves that a multi-node LLM serving group is what it was meant to be."""

__version__ = "0.1.0"
