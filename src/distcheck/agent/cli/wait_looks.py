"""What `distcheck wait` counts: the GPUs that Ray has registered, and those of running pods."""

from collections.abc import Callable, Sequence

from msgspec import Struct

from distcheck.agent.cli.exit import UNKNOWN, Stop, usage
from distcheck.agent.cli.progress import Progress
from distcheck.agent.grpc_bounds import OF_USER
from distcheck.agent.probes import gcs
from distcheck.checks.evidence import Evidence, Missing, Pod, RayCluster
from distcheck.checks.knowledge.counted import counted, several

_RUNNING = "Running"
_SHOWN = 16
_GATHERING_SECONDS = 15.0


class Ready(Struct, frozen=True):
    """How many GPUs are there now, and in which words."""

    gpus: int
    says: str


Look = Callable[[], Ready]


def gcs_look(address: str, token: str | None, seconds: float) -> Look:
    """Asks the GCS at `address` alone, for `seconds` at most each time.

    Raises:
        Stop: the address is no HOST:PORT (code 2).
    """
    try:
        gcs.parse_address(address)
    except ValueError as error:
        raise usage(f"wait: {error}") from error
    return lambda: of_ray(gcs.look(address, timeout=seconds, token=token, bounds=OF_USER))


def cluster_look(
    target: str,
    namespace: str | None,
    context: str | None,
    kubeconfig: str | None,
    progress: Progress,
) -> Look:
    """Finds the group anew each time: pods come while it starts.

    A cluster that does not answer and a target that is not there yet are waited for; one that
    is ambiguous ends the wait.
    """
    from distcheck.agent.cli.asked import Asked  # noqa: PLC0415 - a GCS needs no cluster
    from distcheck.agent.cli.gathering import gathering  # noqa: PLC0415

    asked = Asked(target, namespace, context, kubeconfig, _GATHERING_SECONDS)
    gather = gathering(asked, progress)

    def look() -> Ready:
        try:
            return of_group(gather())
        except Stop as stop:
            if stop.code != UNKNOWN and not stop.mends:
                raise
            return Ready(0, stop.says)

    return look


def of_ray(seen: RayCluster | Missing) -> Ready:
    """The GPUs that nodes which GCS counts as ALIVE have registered.

    Of two rows with one address (a container that came back) the younger one counts. GCS
    itself needs up to a minute to see that a node has died.
    """
    if isinstance(seen, Missing):
        return Ready(0, seen.reason)
    alive = {n.ip: n for n in sorted(seen.nodes, key=lambda n: n.start_ms) if n.alive}
    each = ", ".join(f"{ip} has {alive[ip].gpus:g}" for ip in sorted(alive)[:_SHOWN])
    gpus = int(sum(n.gpus for n in alive.values()))
    return Ready(gpus, f"{counted(len(alive), 'Ray node')}: {each}")


def of_group(evidence: Evidence) -> Ready:
    """The lesser of what running pods and Ray have; pods alone where the group has no Ray."""
    from distcheck.checks.facts.ray import RayMembership  # noqa: PLC0415 - a GCS needs no fold

    pods = _of_pods(evidence.pods)
    if evidence.rollouts:
        return Ready(0, f"{pods.says}; {evidence.rollouts[0].says}")
    ray = RayMembership.fold(evidence)
    if isinstance(ray, Missing):
        return Ready(0, f"{pods.says}; Ray is not seen: {ray.reason}")
    if not ray.uses_ray:
        return pods
    of_group = f"Ray at {ray.address} has {ray.gpus:g}"
    return Ready(min(pods.gpus, int(ray.gpus)), f"{pods.says}; {of_group}")


def _of_pods(pods: Sequence[Pod]) -> Ready:
    running = [p for p in pods if p.phase == _RUNNING and not p.waiting]
    idle = [f"{p.name} is {p.waiting or p.phase or 'unknown'}" for p in pods if p not in running]
    count = sum(p.gpus for p in running)
    says = f"{counted(len(running), 'running pod')} {several(len(running), 'has')} {count}"
    return Ready(count, ", ".join([says, *idle[:4]]))
