"""Two rounds of looking at a group's nodes: to see, then to probe ports and mend what failed."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from functools import partial
from time import monotonic

from msgspec import Struct, structs

from distcheck.agent import clock
from distcheck.agent.cluster.answer import decode_look, merge_second
from distcheck.agent.cluster.api import Api, Object
from distcheck.agent.cluster.errors import ClusterError
from distcheck.agent.cluster.listening import Listening, gathered, have_met, listen_at, told
from distcheck.agent.cluster.ports import Peer, chosen, used_ports
from distcheck.agent.cluster.question import door_path
from distcheck.agent.cluster.ray_again import ray_again
from distcheck.agent.cluster.reach import fetch
from distcheck.agent.cluster.second_look import pause, unsettled
from distcheck.agent.cluster.without_agents.fallback import Looks, Outside, look_without_agents
from distcheck.agent.listening import NCCL, UNUSED
from distcheck.checks.evidence import NodeLook, Pod, RayCluster

Nodes = Mapping[str, Sequence[Pod]]
Agents = Mapping[str, Object] | str
"""Agent pods by node, or why there are none."""
_LISTENING = 5.0
"""Seconds in which an agent has to say that it listens."""


class Ways(Struct, frozen=True):
    """How a group may be looked at: by its agents, by exec, with ports tried.

    `no_exec` says who forbade exec, where somebody did. `ray_token` is for a Ray that asks.
    """

    agents: bool = True
    exec: bool = True
    ports: bool = True
    no_exec: str = "--no-exec"
    ray_token: str = ""


class Round(Struct, frozen=True):
    """What is asked of every node in one go, until `deadline` (on `time.monotonic`).

    `gcs` is the address at which the specs have Ray's GCS; empty where they do not say it.
    """

    api: Api
    pool: Executor
    deadline: float
    progress: Callable[[str], None]
    ways: Ways
    peers: tuple[Peer, ...] = ()
    gcs: str = ""
    listening: Listening = Listening()

    def question(self, node: str, own: Sequence[Pod], group: Sequence[Pod]) -> str:
        """The path that is asked of one node's agent."""
        knows = node in self.listening.nodes
        peers = [p for p in self.peers if knows or p.service not in (NCCL, UNUSED)]
        return door_path(own, chosen(peers, own, group))


def both_rounds(first: Round, nodes: Nodes, agents: Agents, end: float) -> Looks:
    """Both rounds. In each, agents are asked while nodes without one are looked at.

    The second comes some seconds later where the first one's RAS calls for that.
    """
    there = {} if isinstance(agents, str) else {n: a for n, a in agents.items() if n in nodes}
    bare = {n: _why_bare(agents, n, first.ways) for n in nodes if n not in there}
    asked = _ask(first, nodes, there)
    without = _bare(first, nodes, bare)
    seen = {n: look() for n, look in asked.items()}
    silent = {n: s for n, s in seen.items() if isinstance(s, str)}
    looks = {n: s for n, s in seen.items() if isinstance(s, NodeLook)}
    pods = [p for every in nodes.values() for p in every]
    if not any(isinstance(n.ray, RayCluster) for n in without.nodes.values()):
        looks |= ray_again(_outside(first), pods, looks)
    peers = used_ports(pods, (*looks.values(), *without.nodes.values())) if first.ways.ports else ()
    second = structs.replace(first, deadline=end, peers=peers)
    doubtful = unsettled(looks)
    if doubtful:
        first.progress("looking again at ranks that differ in NCCL's RAS")
        pause(end)
    answering = {n: there[n] for n in looks}
    begun = monotonic()
    listening = _listening(second, nodes, answering, [*looks.values(), *without.nodes.values()])
    second = structs.replace(second, listening=listening, peers=(*peers, *listening.peers))
    if second.peers and looks:
        first.progress(f"probing {len(second.peers)} ports between the pods")
    probed = _ask(second, nodes, {n: there[n] for n in (looks if second.peers else doubtful)})
    rest = _bare(second, nodes, silent)
    for node, later in probed.items():
        again = later()
        failed = NodeLook.unseen(node, clock.now(), again) if isinstance(again, str) else again
        failed = told(failed, listening, monotonic() - begun, pods)
        looks[node] = merge_second(looks[node], failed)
    return Looks(looks | without.nodes | rest.nodes, (*without.notes, *rest.notes))


def _listening(
    one: Round, nodes: Nodes, agents: Mapping[str, Object], looks: Sequence[NodeLook]
) -> Listening:
    """Listeners in all pods; none where nobody could try them, or the ranks have met."""
    pods = [p for every in nodes.values() for p in every]
    if not one.ways.ports or len(pods) < 2 or not agents or have_met(pods, looks):
        return Listening()
    soon = structs.replace(one, deadline=min(one.deadline, monotonic() + _LISTENING))
    asked = {
        n: one.pool.submit(listen_at, partial(_fetched, soon), agent, nodes[n], pods)
        for n, agent in agents.items()
    }
    return gathered({n: later.result() for n, later in asked.items()})


def _fetched(one: Round, agent: Object, path: str) -> bytes:
    return fetch(one.api, agent, path, timeout=one.deadline - monotonic())


def _why_bare(agents: Agents, node: str, ways: Ways) -> str:
    if not ways.agents:
        return "agents were not asked (--no-agents)"
    return agents if isinstance(agents, str) else f"no distcheck agent runs on node {node}"


def _bare(one: Round, nodes: Nodes, why: Mapping[str, str]) -> Looks:
    """The looks at nodes whose agent tells nothing."""
    if not why:
        return Looks({})
    return look_without_agents(_outside(one), {n: nodes[n] for n in why}, why, one.pool)


def _outside(one: Round) -> Outside:
    forbidden = "" if one.ways.exec else one.ways.no_exec
    return Outside(one.api, one.deadline, forbidden, one.progress, one.ways.ray_token, one.gcs)


def _ask(
    one: Round, nodes: Nodes, agents: Mapping[str, Object]
) -> dict[str, Callable[[], NodeLook | str]]:
    """Ask agents; each function returned waits for the look, or for why there is none."""
    group = [p for every in nodes.values() for p in every]
    asked = {n: one.question(n, nodes[n], group) for n in agents}
    return {n: one.pool.submit(_look, one, n, asked[n], a).result for n, a in agents.items()}


def _look(one: Round, node: str, path: str, agent: Object) -> NodeLook | str:
    name = agent["metadata"]["name"]
    try:
        look = decode_look(_fetched(one, agent, path), node)
    except ClusterError as error:
        one.progress(f"{node}: {name} did not answer")
        return f"agent {name} on node {node}: {error}"
    one.progress(f"{node}: seen")
    return structs.replace(look, agent=look.agent or name)
