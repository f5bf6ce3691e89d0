"""`/dev/shm` as a container tells it without an agent: believed as far as it goes, and bounded."""

import json
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from distcheck.agent.cluster.without_agents.container_copy import ContainerCopy, new_copy
from distcheck.agent.cluster.without_agents.copy_shm import mount_of
from distcheck.checks.evidence import Missing

MOUNTINFO = "23 22 0:302 / /dev/shm rw - tmpfs tmpfs rw,size=65536k\n"


@pytest.fixture
def copy() -> Iterator[ContainerCopy]:
    with new_copy() as one:
        yield one


def test_files_are_named_and_who_holds_them_is_not_known(copy: ContainerCopy) -> None:
    copy.told["/dev/shm"] = b"0:302 67108864 1047808"
    files = [[33030656, "nccl-a\x1b1"], [0, "sem.mp-1"], [4096, "psm_1"]]
    copy.told["/dev/shm/files"] = json.dumps(files).encode()
    seen = mount_of(copy, MOUNTINFO, "now")
    assert not isinstance(seen.segments, Missing)
    assert [(s.name, s.kind, s.held) for s in seen.segments] == [
        ("nccl-a?1", "nccl", None),
        ("psm_1", "psm", None),
        ("sem.mp-1", "other", None),
    ]
    assert (seen.used_bytes, seen.unheld_files) == (66061056, None)
    assert "without an agent" in seen.unasked


def test_files_of_another_mount_are_not_its_own(copy: ContainerCopy) -> None:
    copy.told["/dev/shm"] = b"0:99 67108864 0"
    copy.told["/dev/shm/files"] = b"[]"
    seen = mount_of(copy, MOUNTINFO, "now")
    assert isinstance(seen.segments, Missing)
    assert seen.used_bytes is None


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.binary() | st.from_regex(rb'\A\[(\[-?\d{1,25}, ?"[^"]{0,9}"\],?){0,3}\]\Z'))
def test_whatever_it_tells_of_its_files_is_read_or_missing(
    copy: ContainerCopy, text: bytes
) -> None:
    copy.told["/dev/shm"] = b"0:302 67108864 0"
    copy.told["/dev/shm/files"] = text
    seen = mount_of(copy, MOUNTINFO, "now")
    assert isinstance(seen.segments, Missing) or all(
        s.bytes >= 0 and s.name.isprintable() for s in seen.segments
    )
