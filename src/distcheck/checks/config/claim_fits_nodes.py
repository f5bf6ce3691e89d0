"""CONF090: one ReadWriteOnce claim for pods on several nodes."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import permutations

from msgspec import Struct

from distcheck.checks.manifest.bundle import Bundle
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.nim_chart import by_chart, is_nim_1, unseen_default
from distcheck.checks.manifest.place import Place, Spot
from distcheck.checks.manifest.placement import keep_apart, keeps_off, node_of, unattached
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import GRAPH, Template


@rule("CONF090", level="error")
def claim_fits_nodes(bundle: Bundle) -> Iterator[Finding]:
    """A claim that pods on several nodes mount can be mounted on several nodes.

    What:
        Pods of one group, replicas of one workload, or several workloads that serve mount the same
        PersistentVolumeClaim. Its access mode is ReadWriteOnce, and they need more GPUs than one
        node has or keep apart by anti-affinity or node names; or it is ReadWriteOncePod, which
        lets one pod in. Of a NIMService its own claim, and that of its NIMCache; of a
        DynamoGraphDeployment those that it makes (`pvcs`).
    Why:
        The volume can be attached to one node: the pods on the others stay in
        ContainerCreating (Multi-Attach error). With ReadWriteOncePod the second stays Pending.
    Fix:
        Use ReadOnlyMany or ReadWriteMany with a storage class that has them, or a claim for each
        pod (`volumeClaimTemplates`).
    Fails:
        apiVersion: v1
        kind: PersistentVolumeClaim
        metadata: {name: models}
        spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 2Ti}}}
        ---
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: vllm}
        spec:
          leaderWorkerTemplate:
            size: 2
            workerTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.11.0
                  resources: {limits: {nvidia.com/gpu: 8}}
                volumes: [{name: models, persistentVolumeClaim: {claimName: models}}]
    Passes:
        apiVersion: v1
        kind: PersistentVolumeClaim
        metadata: {name: models}
        spec: {accessModes: [ReadWriteMany], resources: {requests: {storage: 2Ti}}}
        ---
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: vllm}
        spec:
          leaderWorkerTemplate:
            size: 2
            workerTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.11.0
                  resources: {limits: {nvidia.com/gpu: 8, memory: 400Gi}}
                  volumeMounts: [{name: dshm, mountPath: /dev/shm}]
                volumes:
                - {name: models, persistentVolumeClaim: {claimName: models}}
                - {name: dshm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}
    Unsure:
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: vllm}
        spec:
          leaderWorkerTemplate:
            size: 2
            workerTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.11.0
                  resources: {limits: {nvidia.com/gpu: 8}}
                volumes: [{name: models, persistentVolumeClaim: {claimName: models}}]
    Source:
        Kubernetes: Persistent Volumes, access modes. Dynamo api/v1alpha1/common.go (PVC).
    """
    claims = {(t.namespace, t.name): t.place for t in bundle.of_kind("PersistentVolumeClaim")}
    for graph in bundle.of_kind(GRAPH):
        from distcheck.checks.manifest.dynamo import claims as made  # noqa: PLC0415 - of it alone

        claims |= {(graph.namespace, name): claim for name, claim in made(graph.place)}
    told: set[Spot] = set()
    for group in bundle.groups:
        yield from _of_nim(group, bundle)
        for name, use in _uses(group.at_home).items():
            claim = claims.get((group.leader.template.namespace, name))
            if claim is None or use.pods < _SEVERAL or use.spot in told:
                continue
            modes = {m.text(): m.spot for m in reversed([*claim.each("spec", "accessModes")])}
            if modes and modes.keys() <= _ONE:
                told.add(use.spot)
                mode = next(m for m in _ONE_FIRST if m in modes)
                if use.together and mode == "ReadWriteOnce":
                    continue
                says = f"{use.says(group)} mount claim {name}, which is {mode}"
                also, unseen = (modes[mode],), _unseen(use, mode, claim)
                yield Finding(use.spot, says, also=also, unseen=unseen)
    yield from _of_several(bundle, claims, told)


_ONE_FIRST = ("ReadWriteOnce", "ReadWriteOncePod")
_ONE = frozenset(_ONE_FIRST)
_SEVERAL, _ONE_NODE = 2, 8


class _Use(Struct):
    """How many pods mount a claim, and their GPUs; `apart`: two of them share no node.

    `nodes` are those that each template names for its pods, empty for one that names none.
    """

    spot: Spot
    pods: int = 0
    gpus: int = 0
    apart: bool = False
    counted: bool = True
    nodes: frozenset[str] = frozenset()

    @property
    def together(self) -> bool:
        """Whether all are held to one node."""
        return len(self.nodes) == 1 and "" not in self.nodes

    def says(self, group: Group) -> str:
        """Which pods, with their number where it is known."""
        return f"{self.pods} pods of {group.name}" if self.counted else "the pods"


def _of_several(
    bundle: Bundle, claims: Mapping[tuple[str, str], Place], told: set[Spot]
) -> Iterator[Finding]:
    """Workloads that mount one claim, whatever group they are of."""
    found: dict[tuple[str, str], dict[Spot, Template]] = defaultdict(dict)
    for template in bundle.templates if claims else ():
        for volume in template.spec.each("volumes") if template.serves else ():
            name = volume.at("persistentVolumeClaim", "claimName")
            if (key := (template.namespace, name.text())) in claims and template.kind not in _ENDS:
                found[key][name.spot] = template
    for key, held in found.items():
        modes = {m.text(): m.spot for m in reversed([*claims[key].each("spec", "accessModes")])}
        users = {t.what: t for t in held.values()}
        if len(users) < _SEVERAL or told & held.keys() or not modes or modes.keys() - _ONE:
            continue
        counts = [t.pods_in_all for t in users.values()]
        use = _Use(
            max(held, key=lambda s: s.of),
            gpus=sum(t.gpus * (n or 0) for t, n in zip(users.values(), counts, strict=True)),
            apart=any(keep_apart(a, b) for a, b in permutations(users.values(), 2)),
            nodes=frozenset(node_of(t) for t in users.values()),
        )
        mode = next(m for m in _ONE_FIRST if m in modes)
        apart = (use.apart or use.gpus > _ONE_NODE) and not use.together
        if not apart and mode != "ReadWriteOncePod":
            continue
        says = f"{' and '.join(sorted(users)[:3])} mount claim {key[1]}, which is {mode}"
        unseen = "whether they run at one time" if 0 in counts else _unseen(use, mode, claims[key])
        also = (modes[mode], *(s for s in held if s != use.spot))
        yield Finding(use.spot, says, also=also, unseen=unseen)


_ENDS = ("Job", "CronJob", "JobSet", "RayJob", "MPIJob")
"""What may be over when the others start."""


def _uses(group: Group) -> dict[str, _Use]:
    """By claim who mounts it: all pods of the templates, also those of other copies."""
    found: dict[str, _Use] = {}
    for template in {id(m.template): m.template for m in group.members}.values():
        pods = template.pods_in_all
        for volume in template.spec.each("volumes"):
            claim = volume.at("persistentVolumeClaim", "claimName")
            if claim.text():
                use = found.setdefault(claim.text(), _Use(claim.spot))
                use.counted = use.counted and pods is not None
                use.pods += _SEVERAL if pods is None else pods
                use.gpus += template.gpus * (pods or 0)
                use.nodes |= {node_of(template)}
                use.apart = use.apart or ((pods or 0) > 1 and keeps_off(template, template))
    return found


def _unseen(use: _Use, mode: str, claim: Place) -> str:
    """A second pod is never let in by ReadWriteOncePod, on another node by ReadWriteOnce."""
    if mode == "ReadWriteOncePod":
        return ""
    sure = use.apart or use.gpus > _ONE_NODE
    return unattached(claim) or ("" if sure else "whether one node has the GPUs of all its pods")


def _of_nim(group: Group, bundle: Bundle) -> Iterator[Finding]:
    """The claim that NIM's chart, or its operator, makes for all pods of one NIM."""
    leader, several = group.leader.template, (group.pods or 1) > 1
    root = leader.owner_place
    if by_chart(leader):
        yield from _of_chart(group, root) if several else ()
        return
    mode = root.at("spec", "storage", "pvc", "volumeAccessMode")
    apart = several and (group.gpus or 0) > _ONE_NODE
    if apart and leader.kind == "NIMService" and mode.text() in _ONE:
        says = f"{group.pods} pods of {group.name} mount one claim, {mode.value}"
        yield Finding(mode.spot, says, _MANY)
    elif apart and leader.kind == "NIMService":
        yield from _of_cache(group, bundle)


def _of_cache(group: Group, bundle: Bundle) -> Iterator[Finding]:
    """The claim of the NIMCache that a NIMService names."""
    leader = group.leader.template
    name = leader.owner_place.at("spec", "storage", "nimCache", "name")
    for cache in bundle.of_kind(_CACHE):
        mode = cache.place.at("spec", "storage", "pvc", "volumeAccessMode")
        own = cache.name == name.text() and cache.namespace == leader.namespace
        if own and mode.text() in _ONE:
            says = f"{group.pods} pods of {group.name} mount the claim of NIMCache {cache.name}"
            says = f"{says}, {mode.value}"
            yield Finding(mode.spot, says, _MANY, also=(name.spot,))


_CACHE = "NIMCache.apps.nvidia.com"
_MANY = "Write ReadWriteMany, with a storage class that has it."


def _of_chart(group: Group, root: Place) -> Iterator[Finding]:
    """One claim of the release, ReadWriteOnce unless it is told.

    Chart 1.x makes that for the StatefulSet of one node alone: pods of several wait for it.
    """
    held = root.at("persistence")
    mode = held.at("accessMode") or held.at("accessModes", 0)
    own = held.at("enabled").value is True and not held.text("existingClaim")
    never = is_nim_1(root) and root.at("statefulSet", "enabled").value is not False
    if not own or not (never or (group.gpus or 0) > _ONE_NODE):
        return
    says = f"{group.pods} pods of {group.name} mount one claim"
    if mode.text() in _ONE:
        yield Finding(mode.spot, f"{says}, {mode.value}", _MANY)
    elif not mode:
        fix = "Add `accessMode: ReadWriteMany`, with a storage class that has it."
        says = f"{says}, ReadWriteOnce: the chart's default"
        yield Finding(held.at("enabled").key, says, fix, unseen=unseen_default(root))
