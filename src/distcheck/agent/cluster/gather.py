"""Evidence of a group from the agents on its nodes: one round to see, one to probe ports."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from time import monotonic

from msgspec import Struct, structs

from distcheck import __version__
from distcheck.agent.cluster.answer import decode_look, merge_ports
from distcheck.agent.cluster.api import Api, Object
from distcheck.agent.cluster.errors import ClusterError
from distcheck.agent.cluster.group import Group
from distcheck.agent.cluster.intent import with_argv, with_expected
from distcheck.agent.cluster.ports import Peer, used_ports
from distcheck.agent.cluster.question import door_path
from distcheck.agent.cluster.reach import fetch, find_agents
from distcheck.checks.evidence import Evidence, NodeLook, Pod

_AT_ONCE = 16
Progress = Callable[[str], None]


class _Round(Struct, frozen=True):
    """What is asked of every node in one go, until `deadline` (on `time.monotonic`)."""

    api: Api
    agents: Mapping[str, Object] | str
    deadline: float
    progress: Progress
    peers: tuple[Peer, ...] = ()


def gather(  # noqa: PLR0913 - each one is an option of `verify`
    api: Api,
    group: Group,
    *,
    timeout: float = 30.0,
    progress: Progress = lambda _says: None,
    probe_ports: bool = True,
    agents: bool = True,
    expect: Mapping[str, int] | None = None,
) -> Evidence:
    """Ask the agents of the group's nodes, for `timeout` seconds in all.

    A third of the time is kept for the second round, which probes ports. Never raises for a
    node: one that does not answer becomes a look of `Missing`, with the reason. `expect`
    (tp, pp, dp, gpus, nodes) overrides what specs and command lines ask.
    """
    end = monotonic() + timeout
    known = _agents(api) if agents else "agents were not asked (--no-agents)"
    first = _Round(api, known, end - timeout / 3 if probe_ports else end, progress)
    by_node = _by_node(group.pods)
    seen = _ask(first, by_node)
    peers = used_ports(group.pods, seen.values()) if probe_ports else ()
    if peers:
        progress(f"probing {len(peers)} ports between the pods")
        probed = _ask(structs.replace(first, deadline=end, peers=peers), by_node)
        seen = {node: merge_ports(look, probed[node]) for node, look in seen.items()}
    looks = tuple(seen[node] for node in sorted(seen))
    intent = with_expected(with_argv(group.intent, looks), expect or {})
    return Evidence(__version__, _now(), group.target, intent, group.pods, looks, notes=group.notes)


def _agents(api: Api) -> Mapping[str, Object] | str:
    """Agent pods by node, or why they could not be listed."""
    try:
        return find_agents(api)
    except ClusterError as error:
        return f"the agents could not be listed: {error}"


def _by_node(pods: Iterable[Pod]) -> dict[str, list[Pod]]:
    nodes: dict[str, list[Pod]] = {}
    for pod in pods:
        if pod.node:
            nodes.setdefault(pod.node, []).append(pod)
    return nodes


def _ask(one: _Round, by_node: Mapping[str, list[Pod]]) -> dict[str, NodeLook]:
    with ThreadPoolExecutor(min(_AT_ONCE, len(by_node) or 1)) as pool:
        asked = {n: pool.submit(_look, one, n, pods) for n, pods in by_node.items()}
        return {node: future.result() for node, future in asked.items()}


def _look(one: _Round, node: str, pods: list[Pod]) -> NodeLook:
    if isinstance(one.agents, str):
        return NodeLook.unseen(node, _now(), one.agents)
    agent = one.agents.get(node)
    if agent is None:
        return NodeLook.unseen(node, _now(), f"no distcheck agent runs on node {node}")
    name = agent["metadata"]["name"]
    try:
        body = fetch(one.api, agent, door_path(pods, one.peers), timeout=one.deadline - monotonic())
        look = decode_look(body, node)
    except ClusterError as error:
        one.progress(f"{node}: {name} did not answer")
        return NodeLook.unseen(node, _now(), f"agent {name} on node {node}: {error}")
    one.progress(f"{node}: seen")
    return structs.replace(look, agent=look.agent or name)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
