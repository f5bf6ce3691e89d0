"""One group: who talks over what, /dev/shm, Ray, ports and links."""

from collections.abc import Iterator

from grafana_foundation_sdk.models import dashboard as model

from .look import GREEN, GREY, ORANGE, RED, TRANSPORTS, colors, steps, values
from .panels import (
    Panel,
    background,
    bars,
    column,
    columns,
    graph,
    grid,
    lines,
    now,
    over,
    rows,
    stats,
)  # fmt: skip
from .promql import POD_INFO, of_group, of_nodes, of_pods

_MOUNT, _NAME = "workload_pod, workload_container", "{{workload_pod}} {{workload_container}}"
_LINKS = of_group("distcheck_workload_link_channels")


def talks() -> Iterator[Panel]:
    """Who talks over what, and whether every rank is there."""
    yield _graph().span(8).height(10)
    yield _links().span(8).height(10)
    yield _channels().span(8).height(10)
    yield _ranks().span(6)
    yield _gdr().span(6)
    yield _failures().span(6).height(4)
    yield _rdma().span(6).height(4)


def memory() -> Iterator[Panel]:
    """/dev/shm."""
    yield _fill().span(8).height(7)
    yield _shm_over_time().span(10).height(7)
    yield _forecast().span(6).height(7)


def reach() -> Iterator[Panel]:
    """Ray and ports."""
    yield _ray_nodes().span(6).height(5)
    yield _ray_gpus().span(6).height(5)
    yield _ports().span(12).height(5)


def _graph() -> Panel:
    """Colours and counts are labels: a node graph takes its fields from labels."""
    named = f'label_replace({POD_INFO}, "id", "$1", "workload_pod", "(.*)")'
    nodes = f'group by (id, title, subtitle) (label_replace(label_replace({named}, "title", "$1", '
    nodes += '"id", "(.*)"), "subtitle", "$1", "node", "(.*)"))'
    ends = f'label_replace(label_replace({_LINKS}, "source", "$1", "workload_pod", "(.*)"), '
    ends += '"target", "$1", "peer", "(.*)")'
    colored = ends
    for color, kinds in _by_color().items():
        colored = f'label_replace({colored}, "color", "{color}", "transport", "{kinds}")'
    named = f'label_join({colored}, "id", " ", "source", "target", "transport")'
    edges = (
        'count_values by (id, source, target, color, secondarystat) ("mainstat", '
        "max by (id, source, target, color, secondarystat) "
        f'(label_replace({named}, "secondarystat", "$1", "transport", "(.*)")))'
    )
    return graph(
        "Who talks to whom",
        "Pods, and the pairs of ranks that NCCL connects between them, of a sample. Green is "
        "RDMA straight from GPU memory or NVLink, yellow RDMA by way of the host, red TCP "
        "sockets. No line: not seen.",
        nodes,
        edges,
    )


def _by_color() -> dict[str, str]:
    """Colours, and the pattern of the transports that have them."""
    found: dict[str, list[str]] = {}
    for kind, color in TRANSPORTS.items():
        found.setdefault(color, []).append(kind)
    return {color: "|".join(kinds) for color, kinds in found.items()}


def _links() -> Panel:
    made = grid(
        "Links between pods",
        "Pairs of ranks that NCCL connects, of a sample, by direction and kind of transport. "
        "Sockets between pods make a group slow: see NCCL002.",
        rows(f"max by (workload_pod, peer, transport) ({_LINKS})"),
    )
    made = columns(
        made, workload_pod="From", peer="To", transport="Transport", Value="Pairs of ranks"
    )
    return column(made, "Transport", mappings=colors(TRANSPORTS), cell=background())


def _channels() -> Panel:
    mine = of_pods("distcheck_nccl_channels", 'scope="inter_node"')
    made = lines(
        "Channels between nodes, by transport",
        "Channels that the ranks' logs show, as the agents read them. A line that falls while "
        "another rises is a group that came back on another network.",
        "none",
        over(f"sum by (transport) (max by ({_MOUNT}, transport) ({mine}))", "{{transport}}"),
    )
    for kind, color in TRANSPORTS.items():
        made = column(made, kind, color={"mode": "fixed", "fixedColor": color})
    return made


def _ranks() -> Panel:
    def ranks(state: str) -> str:
        mine = of_pods("distcheck_nccl_ranks", f'state="{state}"')
        return f"sum(max by (workload_pod) ({mine}))"

    expected = f"max({of_group('distcheck_workload_gpus_expected')})"
    return stats(
        "NCCL ranks",
        "Ranks that initialise and that completed their communicators, by the pods' logs, and "
        "ranks that the group should have. Where a log's start is lost, fewer are seen than "
        "there are: NCCL001 knows the difference.",
        "none",
        now(ranks("started"), "initialising", "started"),
        now(ranks("complete"), "complete", "complete"),
        now(expected, "expected", "expected"),
    ).thresholds(steps((0, "blue")))


def _gdr() -> Panel:
    channels = of_pods("distcheck_nccl_channels", 'scope="inter_node"')
    all_of_them = f"sum(max by ({_MOUNT}, transport) ({channels}))"
    gdr = f"sum(max by ({_MOUNT}) ({of_pods('distcheck_nccl_gdr_channels')}))"
    return (
        stats(
            "GPUDirect RDMA",
            "Of the channels between nodes, those on which the HCA reads and writes GPU memory "
            "itself.",
            "percentunit",
            now(f"{gdr} / {all_of_them}"),
        )
        .decimals(0)
        .thresholds(steps((0, RED), (0.01, ORANGE), (1, GREEN)))
    )


def _failures() -> Panel:
    each = f"max by (failure, {_MOUNT}) ({of_pods('distcheck_nccl_failures_total')})"
    made = grid(
        "NCCL failures",
        "Failures in the pods' logs since the agents began to read them. Not seen: no log told of "
        "one, which proves nothing where NCCL's log is off.",
        rows(f"sum by (failure, workload_pod) ({each}) > 0"),
    )
    made = columns(made, failure="Failure", workload_pod="Pod", Value="Times")
    return made.thresholds(steps((0, RED)))


def _rdma() -> Panel:
    up = {"1": ("up", GREEN), "0": ("DOWN", RED)}
    made = grid(
        "RDMA links of the group's nodes",
        "Ports of the HCAs, used by this group or not: RDMA001 judges those that it uses.",
        rows(f"max by (node, device, port) ({of_nodes('distcheck_rdma_link_up')})", "up"),
        rows(f"max by (node, device, port) ({of_nodes('distcheck_rdma_link_rate_bits')})", "rate"),
    )
    made = columns(
        made, node="Node", device="Device", port="Port", Value__up="Link", Value__rate="Rate"
    )
    made = column(made, "Link", mappings=values(up), cell=background())
    return column(made, "Rate", unit="bps")


def _used() -> str:
    return f"max by ({_MOUNT}) ({of_pods('distcheck_shm_used_bytes')})"


def _size() -> str:
    return f"max by ({_MOUNT}) ({of_pods('distcheck_shm_size_bytes')})"


def _fill() -> Panel:
    return (
        bars(
            "/dev/shm used",
            "Use of each pod's /dev/shm, of its size as mounted. SHM001 says whether the size is "
            "enough for these ranks.",
            "percentunit",
            now(f"{_used()} / {_size()}", _NAME),
        )
        .max(1)
        .decimals(1)
        .thresholds(steps((0, GREEN), (0.8, ORANGE), (0.95, RED)))
    )


def _shm_over_time() -> Panel:
    leaked = f"max by ({_MOUNT}) ({of_pods('distcheck_shm_leaked_bytes')})"
    return lines(
        "/dev/shm: size, used and leaked",
        "Leaked are NCCL's and Python's segments that no process holds: they stay until the pod is "
        "gone.",
        "bytes",
        over(_size(), f"{_NAME} size", "size"),
        over(_used(), f"{_NAME} used", "used"),
        over(leaked, f"{_NAME} leaked", "leaked"),
    )


def _forecast() -> Panel:
    ahead = (
        'predict_linear(distcheck_shm_used_bytes{workload_namespace="$namespace"}[1h], 24 * 3600)'
        f" and on (workload_namespace, workload_pod) {POD_INFO}"
    )
    return (
        bars(
            "/dev/shm in 24 hours",
            "Use a day from now if it goes on as in the last hour, of the size as mounted. At "
            "100 % it will be full by then.",
            "percentunit",
            now(f"max by ({_MOUNT}) ({ahead}) / {_size()}", _NAME),
        )
        .max(1)
        .decimals(1)
        .thresholds(steps((0, GREEN), (0.8, ORANGE), (1, RED)))
    )


def _ray_nodes() -> Panel:
    made = stats(
        "Ray nodes",
        "Nodes in Ray's own table, by state. One that never joined is in no table: compare the "
        "GPUs.",
        "none",
        now(f"max by (state) ({of_pods('distcheck_ray_nodes')})", "{{state}}"),
    ).thresholds(steps((0, "blue")))
    dead = [
        {"value": None, "color": GREY},
        {"value": 0, "color": GREEN},
        {"value": 1, "color": RED},
    ]
    for word in ("dead", "DEAD"):
        made = column(made, word, thresholds={"mode": "absolute", "steps": dead})
    return made


def _ray_gpus() -> Panel:
    return stats(
        "Ray GPUs",
        "GPUs that Ray's alive nodes brought, and those of the group.",
        "none",
        now(f"max({of_pods('distcheck_ray_gpus')})", "in Ray", "ray"),
        now(f"max({of_pods('distcheck_ray_gpus_expected')})", "expected", "expected"),
    ).thresholds(steps((0, "blue")))


def _ports() -> Panel:
    said = {"1": ("open", GREEN), "0": ("BLOCKED", RED)}
    pair = (
        f'min by (pair, service) (label_join({of_pods("distcheck_port_reachable")}, "pair", '
        '" to ", "workload_pod", "peer"))'
    )
    made = grid(
        "Ports that the group uses",
        "One connection from inside each pod's network to the port of another, by what listens "
        "there. Not seen: nobody tried, which needs the agent's port probes.",
        rows(pair),
    )
    matrix = {
        "rowField": "pair", "columnField": "service", "valueField": "Value", "emptyValue": "null",
    }  # fmt: skip
    made = made.with_transformation(model.DataTransformerConfig("groupingToMatrix", options=matrix))
    rename = {"renameByName": {"pair\\service": "From and to"}}
    made = made.with_transformation(model.DataTransformerConfig("organize", options=rename))
    made = made.mappings(values(said)).thresholds(steps())
    paint = model.DynamicConfigValue("custom.cellOptions", background())
    made = made.override_by_field_type("number", [paint])
    return column(made, "From and to", width=230, mappings=[])
