"""What `ray start` prints in the lab, as Ray 2.5x words it: it joins, or says why it does not."""

from collections.abc import Iterator

from distcheck.lab.layout import Layout, Member

Line = tuple[float, str]
_SCRIPTS = "INFO scripts.py:1234 -- "
_MISMATCH = """\
Traceback (most recent call last):
  File "/usr/local/lib/python3.12/dist-packages/ray/scripts/scripts.py", line 1239, in start
    node.check_version_info()
RuntimeError: Version mismatch: The cluster was started with:
    Ray: 2.60.0
    Python: 3.12.11
This process on node {ip} was started with:
    Ray: 2.48.0
    Python: 3.12.11"""
_REFUSED = (
    "ray.exceptions.AuthenticationError: Failed to get cluster ID from GCS server: "
    "InvalidAuthToken: Authentication token is missing or incorrect. Note: RAY_AUTH_MODE is "
    "currently 'disabled' (not 'token')."
)


def start_lines(layout: Layout, member: Member) -> Iterator[Line]:
    """Of the head, or of a worker that the scenario lets join or fail."""
    scene = layout.world.ray_scene
    yield 2, _at(layout, 2, f"{_SCRIPTS}Local node IP: {member.ip}")
    if member.leader or not scene.start:
        if member.leader or member.node in layout.world.ray_nodes:
            yield 5, _at(layout, 5, "SUCC scripts.py:1250 -- Ray runtime started.")
        return
    yield from _FAILS[scene.start](layout, member)


def _at(layout: Layout, seconds: float, text: str) -> str:
    return f"{layout.at(seconds):%Y-%m-%d %H:%M:%S},131\t{text}"


def _warns(layout: Layout, seconds: float, text: str) -> Line:
    return seconds, f"[{layout.at(seconds):%Y-%m-%d %H:%M:%S},134 W 38 38] {text}"


def _connect(layout: Layout, _: Member) -> Iterator[Line]:
    where = f"{layout.world.names.join}:{layout.gcs_port}"
    for seconds in (7, 48, 89):
        says = f"rpc_client.h:153: Failed to connect to GCS at address {where} within 5 seconds."
        yield _warns(layout, seconds, says)


def _version(_: Layout, member: Member) -> Iterator[Line]:
    for number, line in enumerate(_MISMATCH.format(ip=member.ip).splitlines()):
        yield 4 + number / 1000, line


def _token(_: Layout, __: Member) -> Iterator[Line]:
    yield 4, _REFUSED


def _restarted(layout: Layout, _: Member) -> Iterator[Line]:
    """The raylet of before, as the container shows its last words."""
    yield 5, _at(layout, 5, "SUCC scripts.py:1250 -- Ray runtime started.")
    says = "node_manager.cc:1008: GCS consider this node to be dead. Exiting."
    yield _warns(layout, 300, says)


_FAILS = {"connect": _connect, "version": _version, "token": _token, "restarted": _restarted}
