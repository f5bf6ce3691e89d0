"""How hard the tests try: enough for a gate, or `make thorough`."""

import os

import pytest
from hypothesis import settings

from tests import standstill
from tests.thoroughness import THOROUGH

# No deadline: what asserts a time fails on a busy machine.
# The gate's cases are the same at each run: a change is held up by what it changed. New ones
# are for `make thorough`.
settings.register_profile("gate", max_examples=40, deadline=None, derandomize=True)
settings.register_profile("thorough", max_examples=1000, deadline=None)
settings.load_profile("thorough" if THOROUGH else "gate")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Three for two cores: labs wait as long as they work."""
    cores = len(os.sched_getaffinity(0))
    return cores + cores // 2


def pytest_configure(config: pytest.Config) -> None:
    """A test that failed while the machine stood still is run again."""
    config.pluginmanager.register(standstill.Again())
