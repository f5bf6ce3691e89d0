"""How hard the tests try: enough for a gate, or `make thorough`."""

from hypothesis import settings

from tests.thoroughness import THOROUGH

# No deadline: what asserts a time fails on a busy machine.
settings.register_profile("gate", max_examples=40, deadline=None)
settings.register_profile("thorough", max_examples=1000, deadline=None)
settings.load_profile("thorough" if THOROUGH else "gate")
