"""What Ray's own start says in a log: why a node does not join."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distcheck.agent.logs.distil import Distiller, combine
from distcheck.agent.logs.ray import RayReader
from distcheck.checks.evidence.ray_log import RayLog

MESSAGES = Path(__file__).parents[2] / "../shared/corpus/ray/messages"
FILES = sorted(MESSAGES.glob("*.txt"))
HEADER = "2026-02-03 10:00:01,200\tINFO scripts.py:1234 -- "
WAITS = (
    f"{HEADER}Local node IP: 10.1.2.3\n"
    "[2026-02-03 10:00:06,201 W 8 8] rpc_client.h:153: Failed to connect to GCS at address "
    "10.1.2.2:6379 within 5 seconds.\n"
    "[2026-02-03 10:00:41,206 W 8 8] gcs_client.cc:210: Failed to get cluster ID from GCS server: "
    "TimedOut: Timed out while waiting for GCS to become available.\n"
)
STARTED = f"{HEADER}--------------------\n{HEADER}Ray runtime started.\n"
MISMATCH = """Traceback (most recent call last):
  File "/usr/lib/python3/dist-packages/ray/scripts/scripts.py", line 1054, in start
    node.check_version_info()
RuntimeError: Version mismatch: The cluster was started with:
    Ray: 2.41.0
    Python: 3.11.9
This process on node 10.1.2.3 was started with:
    Ray: 2.48.0
    Python: 3.12.1
"""
TRACEBACK = """  File "/x/ray/scripts/scripts.py", line 3021, in main
  File "<frozen os>", line 225, in makedirs
"""


def read(text: str, prefix: str = "") -> RayLog:
    log = Distiller("w:0.log")
    log.feed("".join(f"{prefix}{line}\n" for line in text.splitlines()).encode())
    return log.finish().ray


def kinds(log: RayLog) -> list[str]:
    return [said.id for said in log.said]


def test_a_start_that_waits_names_the_address_and_how_often_it_tried() -> None:
    log = read(WAITS * 3, "2026-02-03T10:00:06.3Z stderr F ")
    assert kinds(log) == ["gcs_not_reached"]
    assert (log.said[0].address, log.said[0].count) == ("10.1.2.2:6379", 6)
    assert log.said[0].source == "w:0.log:9"
    assert log.said[0].seen_at == "2026-02-03T10:00:06.3Z"
    assert log.said[0].says.startswith("gcs_client.cc:210: Failed to get cluster ID")
    assert (log.started, log.node_ip) == (None, "10.1.2.3")


def test_a_start_that_got_through_makes_what_was_before_it_history() -> None:
    log = read(WAITS + STARTED)
    assert (log.said, log.started) == ((), "w:0.log:5")
    again = read(STARTED + WAITS)
    assert kinds(again) == ["gcs_not_reached"]


def test_a_mismatch_gives_the_versions_of_both_sides() -> None:
    for text in (MISMATCH, "noise\n" + MISMATCH):
        (said,) = read(text).said
        assert said.id == "version_mismatch"
        assert (said.head, said.own) == (("2.41.0", "3.11.9"), ("2.48.0", "3.12.1"))


def test_versions_that_follow_no_mismatch_are_nobodys() -> None:
    log = read("    Ray: 2.41.0\nThis process on node x was started with:\n    Python: 3.12.1\n")
    assert log.said == ()


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("ConnectionError: Could not read 'temp_dir' from GCS. Did GCS start ok", None),
        (
            "ConnectionError: Could not read 'session_name' from GCS. Did GCS start successfully?",
            "kv_unread",
        ),
        (
            "AuthenticationError: x: InvalidAuthToken: Authentication token is missing or wrong",
            "auth_token",
        ),
        (
            "Token authentication is enabled but no authentication token was found",
            "auth_token",
        ),
        ("Unable to detect local IP address. Defaulting to 127.0.0.1", "loopback"),
        (
            "[x E 9 9] node_manager.cc:7: GCS returned an authentication error. This may happen",
            "gcs_restarted",
        ),
        (
            (
                "[Timeout] Exiting because this node manager has mistakenly been marked as dead by "
                "the GCS: GCS failed to check the health"
            ),
            "marked_dead",
        ),
        (
            (
                "WARNING: The object store is using /tmp instead of /dev/shm because /dev/shm has "
                "only 67108864 bytes available."
            ),
            "object_store_on_disk",
        ),
        (
            "The object store is using /data/tmp instead of /dev/shm because /dev/shm has only 1 b",
            "object_store_on_disk",
        ),
        (
            (
                "ValueError: The configured object store size (200.0 GB) exceeds /dev/shm size "
                "(0.067108864 GB). This will harm performance."
            ),
            "object_store_too_large",
        ),
        (
            (
                "ValueError: Ray component worker_ports is trying to use a port number 10300 that "
                "is used by other components."
            ),
            "port_taken",
        ),
        (
            "WARNING utils.py:1416 -- Unable to connect to GCS (ray head) at 10.1.2.2:6379. Check",
            "gcs_not_reached",
        ),
        (
            "[x W 3 3] network_util.cc:74: Failed to resolve hostname 'head.llm.svc': IPv4 error",
            "name_unresolved",
        ),
        ("Some Ray subprocesses exited unexpectedly:", "process_exited"),
    ],
)
def test_each_way_of_failing_is_read_by_its_words(line: str, kind: str | None) -> None:
    assert kinds(read(line)) == ([] if kind is None else [kind])


def test_addresses_are_read_where_they_are_named() -> None:
    at = read("Unable to connect to GCS (ray head) at 10.1.2.2:6379. Check that (1) Ray")
    assert at.said[0].address == "10.1.2.2:6379"
    named = read("Failed to resolve hostname 'head.llm.svc': IPv4 error: Host not found")
    assert named.said[0].address == "head.llm.svc"


def test_exceptions_of_any_program_count_only_in_a_traceback_of_ray_start() -> None:
    empty = "FileNotFoundError: [Errno 2] No such file or directory: ''\n"
    name = "socket.gaierror: [Errno -2] Name or service not known\n"
    assert read(empty + name).said == ()
    assert kinds(read(TRACEBACK + empty)) == ["kv_unread"]
    assert kinds(read(TRACEBACK + name)) == ["name_unresolved"]
    assert read(TRACEBACK + "\n" * 200 + empty).said == ()


def test_a_secret_in_a_line_is_not_kept() -> None:
    secret = "RAY_AUTH_TOKEN=c0ffee0123456789abcdef InvalidAuthToken: Authentication token"
    assert "c0ffee" not in read(secret).said[0].says


def test_files_of_one_pod_are_one_log_in_their_order() -> None:
    def part(text: str) -> Distiller:
        log = Distiller("w:1.log")
        log.feed(text.encode())
        return log

    later = combine([part(WAITS).finish(), part(STARTED).finish()]).ray
    assert later.said == ()
    both = combine([part(STARTED).finish(), part(MISMATCH).finish(), part("x\n").finish()]).ray
    assert kinds(both) == ["version_mismatch"]
    assert both.started is not None


def test_a_reader_that_is_saved_goes_on_in_the_middle_of_a_mismatch() -> None:
    data = MISMATCH.encode()
    for cut in range(0, len(data), 37):
        first = Distiller("w:0.log")
        first.feed(data[:cut])
        second = Distiller.restored("w:0.log", first.saved())
        second.feed(data[cut:])
        assert second.finish().ray == read(MISMATCH)


PIECES = st.sampled_from(
    [*(WAITS + STARTED + MISMATCH + TRACEBACK).splitlines(), "    Ray: ", "x" * 5000]
)


@given(st.lists(PIECES | st.text(max_size=80), max_size=40), st.integers(0, 200))
@settings(max_examples=150, deadline=None)
def test_no_text_makes_the_reader_raise_or_grow(lines: list[str], cut: int) -> None:
    reader = RayReader("w:0.log")
    for number, line in enumerate(lines, 1):
        reader.line(number, None, line[cut:] if number % 3 else line)
    log = reader.result()
    assert len(log.said) <= 12
    assert all(len(s.says) <= 300 and len(s.address) <= 260 for s in log.said)


CORPUS = {
    "mismatch_python3.12_worker_head_py3.11_2.60.0": ["version_mismatch"],
    "mismatch_worker2.40.0_head2.60.0": ["kv_unread"],
    "mismatch_worker2.44.1_head2.40.0": ["version_mismatch"],
    "mismatch_worker2.60.0_head2.40.0": ["kv_unread"],
    "never_join_6379_dropped_then_healed_2.60.0": [],
    "never_join_head_on_loopback_2.60.0": ["gcs_not_reached"],
    "never_join_wrong_port_2.40.0": ["gcs_not_reached"],
    "never_join_wrong_port_2.60.0": ["gcs_not_reached"],
    "start_head_port_conflict_2.60.0": ["port_taken"],
}


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_each_real_log_says_what_was_done_to_it(path: Path) -> None:
    assert kinds(read(path.read_text())) == CORPUS.get(path.stem, [])


def test_the_real_logs_are_there() -> None:
    if not FILES and os.environ.get("CI") != "true":
        pytest.skip(f"no logs of real starts in {MESSAGES}")
    assert len(FILES) >= 15
