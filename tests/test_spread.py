"""How the tests are spread over workers."""

import pytest


@pytest.mark.xdist_group("spread")
def test_tests_that_share_something_dear_run_on_one_worker(request: pytest.FixtureRequest) -> None:
    """pytest-xdist 3.8 puts a test's group at the end of its id; under pytest 9.2 it cannot.

    Without it each worker builds the image and starts the real Rays anew, and nothing says so.
    https://github.com/pytest-dev/pytest-xdist/issues/1386
    """
    if not getattr(request.config.option, "loadgroup", False):
        pytest.skip("the tests are not spread by groups")
    assert request.node.nodeid.endswith("@spread")
