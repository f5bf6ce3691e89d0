"""Evidence of a group: from the agents on its nodes, and where there is none without them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from time import monotonic

from distcheck import __version__
from distcheck.agent import clock
from distcheck.agent.cluster import access
from distcheck.agent.cluster.api import AT_ONCE, Api
from distcheck.agent.cluster.errors import ClusterError
from distcheck.agent.cluster.finding.group import Group
from distcheck.agent.cluster.intent.declared import with_expected
from distcheck.agent.cluster.intent.running import with_argv
from distcheck.agent.cluster.policies import look_policies
from distcheck.agent.cluster.reach import AGENT_NAMESPACE, find_agents
from distcheck.agent.cluster.rounds import Agents, Round, Ways, both_rounds
from distcheck.agent.cluster.services import look_services
from distcheck.agent.cluster.troubles.restarts import restarted_since
from distcheck.agent.cluster.without_agents.fallback import BY
from distcheck.checks.evidence import Evidence, Missing, NodeLook, Pod
from distcheck.checks.evidence.policy import Services

__all__ = ["Ways", "gather"]

_GCS_PORT = 6379
Progress = Callable[[str], None]


def gather(
    api: Api,
    group: Group,
    *,
    timeout: float = 30.0,
    progress: Progress = lambda _says: None,
    ways: Ways = Ways(),  # noqa: B008 - frozen
    expect: Mapping[str, int] | None = None,
) -> Evidence:
    """Look at the group's nodes, for `timeout` seconds in all.

    A third of the time is kept for a second round, which probes ports, and looks at nodes
    whose agent did not answer as if they had none. Never raises for a node: what could not
    be seen is `Missing`, with the reason. `expect` (tp, pp, dp, gpus, nodes) overrides what
    specs and command lines ask.
    """
    end = monotonic() + timeout
    api = api.until(end)
    with _pool() as pool:
        first = Round(api, pool, end - timeout / 3, progress, ways, gcs=_gcs_of(group))
        agents = _agents(api) if ways.agents else {}
        lacking = pool.submit(_lacking, api, group, agents, ways)
        policies = pool.submit(look_policies, api, group.target.namespace, group.seen)
        services = pool.submit(_services, api, group)
        seen = both_rounds(first, _by_node(group.pods), agents, end)
        notes = [*group.notes, *lacking.result(), *_versions(seen.nodes.values()), *seen.notes]
        again = restarted_since(api, group.pods, group.selector, notes.append)
        troubles = (*group.troubles, *again)
    looks = tuple(seen.nodes[node] for node in sorted(seen.nodes))
    intent = with_expected(with_argv(group.intent, looks), expect or {})
    return Evidence(
        __version__, clock.now(), group.target, intent, group.pods, looks, notes=tuple(notes),
        troubles=troubles, policies=policies.result(), services=services.result(),
        rollouts=group.rollouts,
    )  # fmt: skip


def _services(api: Api, group: Group) -> Services | Missing:
    leader = next(iter(group.seen), None)
    return look_services(api, group.target.namespace, group.services, group.wanted, leader)


@contextmanager
def _pool() -> Iterator[ThreadPoolExecutor]:
    """Threads that are waited for, but not where a signal ends what they work for."""
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def _agents(api: Api) -> Agents:
    """Agent pods by node, or why they could not be listed."""
    try:
        return find_agents(api)
    except ClusterError as error:
        return f"the agents could not be listed: {error}"


def _lacking(api: Api, group: Group, agents: Agents, ways: Ways) -> Iterator[str]:
    """What the caller's rights leave out, for the ways that this group is looked at."""
    there = {} if isinstance(agents, str) else agents
    bare = any(p.node not in there for p in group.pods if p.node)
    needs = [*access.OF_GROUP, *access.WITHOUT_AGENTS * bare, *access.EXEC * (bare and ways.exec)]
    said = access.lacking(api, group.target.namespace, needs)
    if there:
        namespace = next(iter(there.values()))["metadata"].get("namespace", AGENT_NAMESPACE)
        said = (*said, *access.lacking(api, namespace, access.OF_AGENTS))
    return iter(said)


def _gcs_of(group: Group) -> str:
    """Where the specs have Ray's GCS: on the leader, on the port that they name or Ray's own."""
    intent = group.intent
    leader = next((p for p in group.pods if p.role == "leader" and p.ip), None)
    if leader is None or not ("gcs" in intent.ports or intent.executor == "ray"):
        return ""
    ip = f"[{leader.ip}]" if ":" in str(leader.ip) else leader.ip
    return f"{ip}:{intent.ports.get('gcs', _GCS_PORT)}"


def _by_node(pods: Iterable[Pod]) -> dict[str, list[Pod]]:
    nodes: dict[str, list[Pod]] = {}
    for pod in pods:
        if pod.node:
            nodes.setdefault(pod.node, []).append(pod)
    return nodes


def _versions(looks: Iterable[NodeLook]) -> Iterator[str]:
    """A note for each other version among the agents."""
    nodes: dict[str, list[str]] = {}
    for look in looks:
        if look.agent not in (__version__, BY, "") and look.agent[:1].isdecimal():
            nodes.setdefault(look.agent, []).append(look.node)
    for version, names in sorted(nodes.items()):
        shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        yield (
            f"agents of version {version} answer on {shown}; this is {__version__}:"
            " what they do not say, or say in another form, is missing"
        )
