"""The Ray of a scenario: who has joined, and the placement groups and workers of its engines."""

import hashlib
from collections import Counter
from datetime import UTC, datetime

from msgspec import Struct

from distcheck.agent.probes.ray_proto import gcs_pb2 as pb
from distcheck.lab.layout import GPUS, Layout, Member, Rank
from distcheck.lab.ray import LabRay, ReplayedRay, Told, make_ray
from distcheck.lab.ray_replay import node_id
from distcheck.lab.scenario import Scene

_PENDING, _CREATED = 0, 2
_NO_RESOURCES, _FINISHED = 3, 6
_ALIVE, _DEAD = 2, 4
_WORKER_DIED = 1
_LOOPBACK = "127.0.0.1"
_OWN_JOB = b"\x01\x00\x00\x00"
_OTHERS_JOB = b"\x09\x00\x00\x00"


class Grouped(Struct, frozen=True):
    """One placement group: the IP of each bundle (empty where not placed), and its workers."""

    name: str
    pinned: str
    nodes: tuple[str, ...]
    workers: tuple[Rank, ...] = ()
    detached: bool = False


def ray_of(scene: Scene, members: tuple[Member, ...]) -> LabRay:
    """Not yet started; real where the scenario has a Ray that a real one can stand for."""
    nodes = [(m.ip, _gpus(scene, m)) for m in members if m.node in scene.ray_nodes]
    told = _told(scene, members)
    if scene.ray_is_real:
        return make_ray(nodes, told=told)
    ill = scene.ray_scene
    return ReplayedRay(
        nodes,
        dead=[(m.ip, GPUS) for m in members if m.node in ill.dead],
        told=told,
    )


def _gpus(scene: Scene, member: Member) -> int:
    return scene.ray_scene.gpus.get(member.node, GPUS)


def _told(scene: Scene, members: tuple[Member, ...]) -> Told:
    layout = Layout(scene, members, 0, 0, datetime.now(UTC))
    groups = [*_engines(layout), *_holders(layout)]
    made = [(g, _group(g)) for g in groups]
    actors = [
        _actor(layout, data.id, n, rank) for g, data in made for n, rank in enumerate(g.workers)
    ]
    return Told(
        pb.GetAllPlacementGroupReply(groups=[data for _, data in made]).SerializeToString(),
        pb.GetAllActorInfoReply(actors=actors).SerializeToString(),
        {ip: float(n) for ip, n in Counter(ip for g in groups for ip in g.nodes if ip).items()},
        _LOOPBACK if scene.ray_scene.loopback else "",
        tuple(m.ip for m in members if m.node in scene.ray_scene.cut),
    )


def _engines(layout: Layout) -> list[Grouped]:
    """A group for each copy of each engine, placed unless it waits."""
    found = []
    for number, engine in enumerate(layout.world.engines):
        if engine.fails:
            continue
        ranks = [r for r in layout.ranks() if r.engine == number]
        size, head = engine.tp * engine.pp, layout.member(engine.nodes[0]).ip
        pinned = layout.world.ray_scene.host_ip or head
        for at in range(0, len(ranks), size):
            mine = tuple(ranks[at : at + size])
            waits = engine.progress == "waiting"
            nodes = ("",) * size if waits else tuple(r.member.ip for r in mine)
            found.append(Grouped("", pinned, nodes, () if waits else mine))
    return found


def _holders(layout: Layout) -> list[Grouped]:
    holder, head = layout.world.ray_scene.holder, layout.head.ip
    if not holder:
        return []
    return [Grouped("old-engine", head, (head,) * GPUS, detached=holder == "leaked")]


def _group(group: Grouped) -> pb.PlacementGroupData:
    made = hashlib.sha1(repr((group.name, group.nodes)).encode(), usedforsecurity=False).digest()
    placed = all(group.nodes)
    return pb.PlacementGroupData(
        id=made[:18],
        name=group.name,
        bundles=[_bundle(n, ip, group.pinned) for n, ip in enumerate(group.nodes)],
        state=_CREATED if placed else _PENDING,
        creator_job_id=_OTHERS_JOB if group.name else _OWN_JOB,
        creator_actor_dead=True,
        is_detached=group.detached,
        stats=pb.PlacementGroupStats(
            scheduling_attempt=1 if placed else 9,
            scheduling_state=_FINISHED if placed else _NO_RESOURCES,
        ),
    )


def _bundle(index: int, ip: str, pinned: str) -> pb.BundleData:
    asked = {"GPU": 1.0, **({} if index else {f"node:{pinned}": 0.001})}
    where = node_id(ip) if ip else b""
    return pb.BundleData(id=pb.BundleId(index=index), resources=asked, node_id=where)


def _actor(layout: Layout, group: bytes, index: int, rank: Rank) -> pb.ActorData:
    died = rank.rank in layout.world.gone
    text = "The actor died unexpectedly before finishing this task: SYSTEM_ERROR, exit code None"
    cause = pb.DeathCause(died=pb.ActorDied(message=text, reason=_WORKER_DIED))
    gpu = pb.ResourceIndexes(
        name=f"GPU_group_{group.hex()}", ids=[pb.ResourceIndex(index=rank.gpu, quantity=1.0)]
    )
    return pb.ActorData(
        actor_id=hashlib.sha1(f"{group.hex()} {index}".encode(), usedforsecurity=False).digest(),
        state=_DEAD if died else _ALIVE,
        address=pb.ActorAddress(node_id=node_id(rank.member.ip), ip=rank.member.ip),
        resource_mapping=[gpu],
        pid=rank.pid,
        class_name="RayWorkerWrapper",
        death_cause=cause if died else None,
        required_resources={f"bundle_group_{index}_{group.hex()}": 0.001},
        node_id=node_id(rank.member.ip),
        placement_group_id=group,
    )
