"""A value that is put together of several objects, or of several parts of one."""

from collections.abc import Mapping
from typing import Any

from distcheck.checks.manifest.place import Place, Step

Trail = tuple[Step, ...]


class Pieced(Place, frozen=True):
    """A value none of whose parts must stand where the others do.

    `trail` is the way to it in the whole value, and `homes` has, by trail, where the parts stand:
    what is below such a part stands below its home.
    """

    trail: Trail = ()
    homes: Mapping[Trail, Place] = {}

    def at(self, *steps: Step) -> Place:
        """The place below, by keys and numbers, where it was written."""
        value: Any = Place(self.of, self.path, self.value).at(*steps).value
        trail = (*self.trail, *steps)
        for end in range(len(trail), -1, -1):
            home = self.homes.get(trail[:end])
            if home is not None:
                return Pieced(home.of, (*home.path, *trail[end:]), value, trail, self.homes)
        return Pieced(self.of, (*self.path, *steps), value, trail, self.homes)
