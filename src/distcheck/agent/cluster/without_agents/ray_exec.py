"""Ray asked by the Ray of its own image, with one command in the head's container.

For a GCS that nobody outside may ask: its port is closed to the caller, it wants a token or
certificates. The container has them; what it prints holds none.
"""

import json
import re
import time
from collections.abc import Mapping

from msgspec import structs

from distcheck.agent import clock
from distcheck.agent.cluster.api import Api
from distcheck.agent.cluster.errors import ClusterError
from distcheck.agent.cluster.without_agents.exec_in import exec_in
from distcheck.agent.logs.ray_status import read_status
from distcheck.agent.probes.gcs import scrub
from distcheck.agent.probes.ray_proto import decode
from distcheck.agent.ray_rows import BrokenRowsError, of_accessor
from distcheck.checks.evidence import Missing, Pod, RayCluster

PYTHON = "python3"
_SECONDS = 10
_LARGEST = 32 << 20
_EXITED = re.compile(r"\A.{0,80}exit status [0-9]{1,3}: ")
_MARK = b"\ndistcheck-ray "
_WEAK = ("when nodes joined and died was not told (exec)",)
_INSIDE = """
import base64, json, signal, sys
signal.alarm(int(sys.argv[2]))
import ray
from ray._private.state import GlobalState
from ray._raylet import GcsClientOptions as Options
if hasattr(Options, "create"):
    way = {"allow_cluster_id_nil": True, "fetch_cluster_id_if_nil": False}
    options = Options.create(sys.argv[1], None, **way)
else:
    options = Options.from_gcs_address(sys.argv[1])
state = GlobalState()
state._initialize_global_state(options)
rows = state.node_table()
accessor = getattr(state, "_global_state_accessor", None) or state.global_state_accessor
def table(name, *arguments):
    try:
        return [base64.b64encode(x).decode() for x in getattr(accessor, name)(*arguments)]
    except Exception as error:
        return repr(error)[:200]
kept = "NodeID Alive NodeManagerAddress NodeManagerHostname NodeManagerPort ObjectManagerPort " \\
    "MetricsExportPort RuntimeEnvAgentPort DeathReason DeathReasonMessage Resources"
told = {
    "ray": ray.__version__,
    "nodes": [{k: r[k] for k in kept.split() if k in r} for r in rows],
    "available": table("get_all_available_resources"),
    "groups": table("get_placement_group_table"),
    "actors": table("get_actor_table", None, None),
}
print("\\ndistcheck-ray " + json.dumps(told, default=str), flush=True)
"""
"""For any Python 3.6 or newer. The accessor is what Ray's own state API uses (Ray 2.9 to 2.60:
of nodes it makes dicts, of the rest it has the messages). It ends by itself in time."""
_STATUS = """
import signal, sys
signal.alarm(int(sys.argv[2]))
sys.argv = ["ray", "status", "-v", "--address", sys.argv[1]]
from ray.scripts.scripts import main
main()
"""


def by_image(
    api: Api, pod: Pod, address: str, deadline: float, python: str = PYTHON
) -> RayCluster | Missing:
    """What the Ray of the pod's image tells of the GCS at `address`. Never raises."""
    where = f"exec in {pod.name}"
    said = _run(api, pod, _INSIDE, address, deadline, python)
    if isinstance(said, Missing):
        return said
    line = said.rpartition(_MARK)[2].partition(b"\n")[0] if _MARK in said else b""
    try:
        replies = of_accessor(json.loads(line))
    except (ValueError, RecursionError) as error:
        why = str(error) if isinstance(error, BrokenRowsError) else "it printed no answer"
        return Missing(f"{where}: {why}")
    seen = decode.cluster(address, clock.now(), replies)
    if isinstance(seen, Missing):
        return Missing(f"{where}: {seen.reason}")
    return structs.replace(scrub(seen), way="exec", source=where, weak=_WEAK)


def by_status(
    api: Api,
    pod: Pod,
    address: str,
    deadline: float,
    python: str = PYTHON,
    *,
    known: Mapping[str, str],
) -> RayCluster | Missing:
    """What `ray status` prints in the pod; `known` is the IP of each raylet by its node id."""
    where = f"`ray status` in {pod.name}"
    said = _run(api, pod, _STATUS, address, deadline, python)
    if isinstance(said, Missing):
        return said
    nodes = read_status(said.decode("utf-8", "replace"), known)
    if isinstance(nodes, Missing):
        return Missing(f"{where}: {nodes.reason}")
    weak = (f"{where} tells of a moment up to 5 s before, and never of nodes that are DEAD",)
    groups = Missing(f"{where} does not tell them")
    return RayCluster(
        address,
        seen_at=clock.now(),
        nodes=nodes,
        placement_groups=groups,
        actors=groups,
        way="status",
        source=where,
        weak=weak,
    )


def _run(
    api: Api, pod: Pod, text: str, address: str, deadline: float, python: str
) -> bytes | Missing:
    """What the program prints, all of it."""
    where, data = f"exec in {pod.name}", bytearray()
    seconds = min(_SECONDS, int(deadline - time.monotonic()))
    if seconds < 1:
        return Missing(f"{where}: no time is left")

    def take(piece: bytes) -> None:
        data.extend(piece[: max(0, _LARGEST - len(data))])

    argv = [python, "-B", "-c", text, address, str(seconds)]
    try:
        ended = exec_in(api, pod, argv, take, min(deadline, time.monotonic() + seconds + 1))
    except ClusterError as error:
        return Missing(f"{where}: {error}")
    why = _EXITED.sub("", ended.why)
    return Missing(f"{where}: {why}") if why else b"\n" + bytes(data)
