"""Groups of Deployments, StatefulSets, Jobs and Pods: by the addresses that their pods join."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec.structs import replace

from distcheck.agent.cluster.errors import ClusterError
from distcheck.agent.cluster.finding.copies import is_whole
from distcheck.agent.cluster.finding.links import ends_of
from distcheck.agent.cluster.finding.ties import Ties, read_ties
from distcheck.agent.cluster.intent.beside import Beside
from distcheck.agent.cluster.intent.declared import declared_intent
from distcheck.agent.manifests.groups import NOBODY_JOINS, ConfigMaps, Pair, Raw
from distcheck.agent.manifests.made import MOST_PODS, Made
from distcheck.agent.manifests.making import KSERVE
from distcheck.agent.manifests.paper import paper
from distcheck.checks.manifest.group import Group, Member
from distcheck.checks.manifest.prefixed import lost_prefix
from distcheck.checks.manifest.standing_alone import stands_alone
from distcheck.checks.manifest.template import GRAPH, Template
from distcheck.pattern import pattern


def joined_groups(
    namespace: str, pairs: Sequence[Pair], services: Sequence[Raw], maps: ConfigMaps
) -> Iterator[Group]:
    """Tied where one joins the other."""
    look = paper(namespace, services, maps)
    raws = _pods(pairs)
    pods = [raw for raw, _ in raws.values()]
    by_pair = {name: pair for name, (_, pair) in raws.items()}
    by_name = {p["metadata"]["name"]: p for p in pods}
    try:
        ties = read_ties(look, pods)
    except ClusterError:
        return
    taken: set[str] = set()
    for head in [p["metadata"]["name"] for p in pods]:
        joining = [n for n in by_name if n in ties.joined_by.get(head, ()) and n != head]
        if joining and head not in taken:
            names = [head, *(n for n in joining if n not in taken)]
            taken |= set(names)
            yield _of_names(names, by_pair, by_name, maps, _lost(ties, taken))
    for pair in pairs:
        names = [n for n, p in by_pair.items() if p is pair and n not in taken]
        if names:
            yield from _alone(pair, names, by_pair, by_name, maps, ties)


def _pods(pairs: Sequence[Pair]) -> dict[str, tuple[Raw, Pair]]:
    """The first pods of each template, by names that differ."""
    found: dict[str, tuple[Raw, Pair]] = {}
    for order, pair in enumerate(pairs):
        for number in range(min(pair.made.count or 1, MOST_PODS)):
            raw = pair.made.pod(number)
            name = raw["metadata"]["name"]
            if name in found:
                name = raw["metadata"]["name"] = f"{name}~{order}"
            found[name] = (raw, pair)
    return found


def _lost(ties: Ties, taken: Iterable[str]) -> str:
    """Why pods may be missing from a group: they join an address that leads nowhere here."""
    have = set(taken)
    joined = (
        frozenset().union(*ties.joined_by.values(), ties.torn) if ties.joined_by else frozenset()
    )
    lost = sorted(n for n in ties.hosts if n not in joined and n not in have)
    return f"{lost[0]} joins {ties.hosts[lost[0]]}, which is not in these files" if lost else ""


def _alone(
    pair: Pair,
    names: Sequence[str],
    by_pair: Mapping[str, Pair],
    by_name: Mapping[str, Raw],
    maps: ConfigMaps,
    ties: Ties,
) -> Iterator[Group]:
    """A workload that nobody joins: each pod a copy of its own, or all of them one group."""
    first = by_name[names[0]]
    whole = is_whole(first, maps)
    ends = ends_of(first, maps)
    joining = ties.hosts.get(names[0])
    one = whole is not False and pair.made.kind not in ("StatefulSet", "Job", "JobSet")
    one = one or whole is True or pair.made.kind in ("DaemonSet", GRAPH, *KSERVE)
    one = one or (whole is None and _is_one_rank(pair.template))
    group = _of_names(names[:1] if one else names, by_pair, by_name, maps, "")
    why = ""
    if names[0] in ties.joined_by.get(names[0], ()):
        why = _more_may_join(pair)
    elif joining and not _joins_itself(pair.made, joining):
        why = f"it joins {joining}, which is not in these files"
    elif names[0] in ties.unread:
        why = "it joins an address that cannot be read"
    elif ends.is_head:
        why = NOBODY_JOINS
    elif whole is None and not (one and _says_stages(group)):
        why = "its command line does not say what it asks for"
    elif strangers := sorted(ties.unread - set(names)):
        joins = f"{by_pair[strangers[0]].template.what} joins an address that cannot be read"
        why = joins if _waits(group) else ""
    elif any(_reaches_out(c.words) for c in pair.template.containers):
        why = "its launcher starts ranks in other pods, which nothing here names"
    yield replace(group, is_whole=not why, open=why)


def _more_may_join(pair: Pair) -> str:
    """What else may join the only pod, which leads itself: nothing where its count is told.

    A head whose rank is written as it is may have its workers in a workload of their own.
    """
    if pair.made.kind != "StatefulSet" or not _numbers_itself(pair.template):
        return "pods that join it and are not in these files"
    told = pair.made.thing.place.number("spec", "replicas") is not None
    return "" if told else "what sets its replicas: here none are told"


def _numbers_itself(template: Template) -> bool:
    """Whether its pods take a rank of their own from their names, as those of one group do."""
    told = " ".join(t.text for c in template.containers for t in c.texts)
    ranks = _RANK.findall(told)
    variables = (v for c in template.containers for v in c.env if v.name in told)
    fields = (v.place.at(*_FIELD).text() for v in variables)
    own = _OWN_NAME.search(told) or any(_OWN_FIELD.search(f) for f in fields)
    return bool(own) and not (ranks and all(r.isdigit() for r in ranks))


_RANK = pattern(r"(?:node|start)[-_]rank[=\s\"']+(\S)")
_OWN_NAME = pattern(r"(?i)(?<![-.\w])hostname|pod_?(?:name|index)|ordinal")
_FIELD = ("valueFrom", "fieldRef", "fieldPath")
_OWN_FIELD = pattern(r"metadata\.name\Z|pod-index")


def _is_one_rank(template: Template) -> bool:
    """Whether its server is told of no other pod and of no size: one rank, as engines default."""
    engine = template.engine
    asks = engine.asks if engine else None
    return engine is not None and asks is not None and not asks.tp and stands_alone(engine)


def _waits(group: Group) -> bool:
    """Whether it is told of more nodes than it has pods: others are to join it."""
    return any((e.asks.nnodes or 1) > (group.nodes or 1) for _, e in group.engines if e.asks)


def _joins_itself(made: Made, host: str) -> bool:
    """Whether `host` is one of its own pods, but for a prefix that all its names have got."""
    labels = host.split(".")
    if made.kind != "StatefulSet" or len(labels) < _POD_AND_SERVICE:
        return False
    prefix = lost_prefix(made.owner, labels[1], lambda name: name == made.subdomain)
    return bool(prefix) and prefix + labels[0] in made.names


_POD_AND_SERVICE = 2


def _says_stages(group: Group) -> bool:
    """Whether stages are told and TP is not, so that it is 1 by default."""
    intent = group.intent
    return intent.engine in ("vllm", "sglang") and bool(intent.pp) and not intent.unread


def _reaches_out(words: frozenset[str]) -> bool:
    """Whether MPI, or the leader of Triton's example for several nodes, starts ranks elsewhere."""
    hosts = {"--hostfile", "-hostfile", "--machinefile", "-machinefile", "--host", "-host", "-H"}
    mpi = bool(words & {"mpirun", "mpiexec"}) and bool(words & hosts)
    return mpi or {"server.py", "leader"} <= {w.rpartition("/")[2] for w in words}


def _of_names(
    names: Sequence[str],
    by_pair: Mapping[str, Pair],
    by_name: Mapping[str, Raw],
    maps: ConfigMaps,
    lost: str,
) -> Group:
    """The group of these pods, its leader first."""
    counts: dict[int, int] = defaultdict(int)
    pairs: dict[int, Pair] = {}
    for name in names[1:]:
        counts[id(by_pair[name])] += 1
        pairs[id(by_pair[name])] = by_pair[name]
    leading = by_pair[names[0]]
    members = [Member(leading.template, 1, leads=True)]
    for key, pair in pairs.items():
        members.append(Member(pair.template, _scaled(counts[key], pair.made)))
    if leading.made.kind == "DaemonSet":
        members[0] = replace(members[0], pods=1)
    first = [by_name[n] for n in _one_each(names, by_pair)]
    how = "tied by the address that the workers join" if len(names) > 1 else "of one pod"
    title = leading.template.what
    intent = declared_intent(first, Beside(maps), ())
    return Group(title, how, tuple(members), intent, not lost, lost)


def _one_each(names: Sequence[str], by_pair: Mapping[str, Pair]) -> Iterator[str]:
    """The leader, and one pod of each template beside it."""
    told: set[int] = set()
    for position, name in enumerate(names):
        key = id(by_pair[name])
        if position == 0 or key not in told:
            yield name
        if position:
            told.add(key)


def _scaled(seen: int, made: Made) -> int | None:
    """All pods of a template where only the first few were looked at."""
    if made.count is None:
        return None
    return seen + max(made.count - MOST_PODS, 0)
