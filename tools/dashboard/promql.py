"""The few shapes that the dashboard's queries have.

Two copies of `serve`, or an old and a new agent in a rollout, tell the same fact twice: every
query folds them with `max`, `min` or `group by`. None puts a number where no series is.
"""

KEY = "workload_namespace, workload"
GROUP = 'workload_namespace="$namespace", workload="$workload"'
POD_INFO = f"distcheck_workload_pod_info{{{GROUP}}}"
_POD = "workload_namespace, workload_pod"
WORDS = {"skipped": 0, "pass": 1, "warn": 2, "unknown": 3, "fail": 4}
"""Outcomes as numbers, the worst highest: Grafana colours numbers."""


def of_group(name: str, *matchers: str) -> str:
    """A family of `serve`, for the chosen group."""
    return f"{name}{{{', '.join([GROUP, *matchers])}}}"


def short_model(info: str) -> str:
    """The label `model` without the folders before its name."""
    return f'label_replace({info}, "model", "$1", "model", ".*/([^/]+)")'


def of_pods(name: str, *matchers: str) -> str:
    """A family of the agents, for the pods of the chosen group."""
    chosen = ", ".join(['workload_namespace="$namespace"', *matchers])
    return f"{name}{{{chosen}}} and on (workload_namespace, workload_pod) {POD_INFO}"


def of_nodes(name: str) -> str:
    """A family of the agents that has no pod, for the group's nodes; adds the label `node`.

    An agent tells of its node what it tells of the pods on it: that joins them. Where two copies
    of `serve` name different nodes for a pod, the one that saw its group last is right, and of
    the nodes that an agent's pods are said to be on the one of most of them.
    """
    pods = f"topk by ({_POD}) (1, max by ({_POD}, node) ({POD_INFO} * on (job, instance, {KEY}) "
    pods += f"group_left () distcheck_verify_last_success_timestamp_seconds or {POD_INFO}))"
    here = 'distcheck_shm_size_bytes{workload_namespace="$namespace"}'
    on_it = f"count by (job, instance, node) ({here} * on ({_POD}) group_left (node) {pods})"
    agents = f"group by (job, instance, node) (topk by (job, instance) (1, {on_it}))"
    return f"{name} * on (job, instance) group_left (node) {agents}"


def worst(family: str, label: str, by: str, *matchers: str) -> str:
    """The outcome by WORDS; nothing where the family has no series."""
    words = [w for w in WORDS if label == "status" or w != "skipped"]
    series = {w: ", ".join([*matchers, f'{label}="{w}"']) for w in reversed(words)}
    states = (f"({family}{{{chosen}}} == 1) * {WORDS[w]}" for w, chosen in series.items())
    return f"max by ({by}) ({' or '.join(states)})"


def degraded_hours(by: str, *matchers: str) -> str:
    """GPU hours under a failed check; of a group with two of them, the longer one."""
    chosen = f"{{{', '.join(matchers)}}}" if matchers else ""
    one = (
        f"max by ({KEY}, check) (increase(distcheck_degraded_gpu_seconds_total{chosen}[$__range]))"
    )
    none = f"0 * max by ({KEY}) (distcheck_verdict{chosen})"
    return f"sum by ({by}) (max by ({KEY}) ({one}) or {none}) / 3600"
