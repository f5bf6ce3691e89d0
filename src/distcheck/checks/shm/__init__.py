"""Shared memory of the ranks."""
