"""The core: evidence in, report out. Pure: no I/O, no clock, no environment."""
