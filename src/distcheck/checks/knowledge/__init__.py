"""Arithmetic that checks rest on."""
