"""The page about metrics: every family of the agent and of `serve`, and how fresh each is."""

from collections.abc import Iterable

from distcheck.agent import families as agent
from distcheck.agent.answers import FRESH
from distcheck.agent.gpu_watch import AT_LEAST, STALE_AFTER
from distcheck.agent.openmetrics import BUILD, MAX_LABEL, MAX_SERIES, Family
from distcheck.agent.serve import families as serve
from distcheck.agent.serve.verdicts import STALE_ROUNDS
from distcheck.agent.settings import Settings
from distcheck.checks.knowledge.networks import KINDS

_HEAD = """\
# Metrics

{made}

The agent answers at `:9410/metrics`, `serve` at `:9412/metrics`. A scrape shows what was seen
last: it starts no look and waits for none. Both speak Prometheus's text format, OpenMetrics where
it is asked for, and gzip.

**What was not seen has no series.** A 0 was seen to be 0. So an alert on a value needs one beside
it on the absence of the series, or on its age; the last column of each table says when there is
none. A pod that is gone has no series any more.

In [the lab](cli.md#distcheck-lab) `DISTCHECK_LAB_METRICS` has the address of each agent's page:

```
distcheck lab run healthy-tp16 -- sh -c '
  sleep 5; for at in $DISTCHECK_LAB_METRICS; do curl -s $at/metrics; done'
```

Label values from outside are cut after {label} characters, and what cannot be printed becomes
`?`. There are no pids, addresses or messages in labels. A page has {series:,} series at most, and
says what it left out.

Labels of the agent: `workload_namespace` and `workload_pod` are the pod's, `workload_container`
is the container on the GPUs, empty where it is not known which. Of `serve`: `workload` is the
serving group, of all its pods. `distcheck_workload_pod_info` has both, and joins the one to the
other:

```
distcheck_shm_used_bytes / distcheck_shm_size_bytes
  * on (workload_namespace, workload_pod) group_left (workload)
  max by (workload_namespace, workload_pod, workload) (distcheck_workload_pod_info)
```

`max by` makes one of what two copies of `serve`, or two scrapes of one, tell twice.

`uuid` is NVML's, of a GPU or a MIG slice, `gpu` the index on the node. `transport` is one of
{kinds}.
"""

_LOOK = """\
From a look that the agent takes by itself every `DISTCHECK_LOOK_EVERY` seconds (default
{every:g}). It starts at the GPUs and goes on to the pods of the processes on them, {pods} at
most: their `/dev/shm`, and the model's `config.json` and checkpoint once. It tries no port and
asks no server. What is older than {stale} looks, and than {least:g} seconds, is not shown. A pod
with no process on a GPU has no series, but one that had: of its `/dev/shm` as long as a process of
an engine or of Ray runs in it, so that what ranks left after a crash is seen."""

_LOGS = """\
From the pods' logs, which the agent follows in any case: read every two seconds, shown as of the
last look. They count the processes that run now, and only those of the pod itself: Ray's copies
of other pods' lines do not count. Ranks and channels are in logs with `NCCL_DEBUG=INFO` alone,
from the start of the process on. A pod whose processes have left the GPUs keeps
`distcheck_nccl_failures_total` alone, as long as the node has its logs."""

_ANSWERS = """\
From the last answer that the agent gave to `distcheck verify` or `distcheck serve`, for {fresh:g}
minutes. The agent connects to no port and asks no GCS by itself: a pod that serves is not spoken
to from every node for the sake of a chart. So **without `serve`, or `verify` now and then, these
have no series.**"""

_EVENTS = """\
From Xid events, counted while the agent waits for them ([Xid events](rdma.md#xid-events))."""

_ITSELF = """\
Of the process itself; always as of the scrape. The probes `watch` and `tail-loop` are its own two
loops, the look and the reading of logs: 0 where the last turn ended with an error. `/healthz` on
the same port is 503 where one of them does not go on, and the kubelet starts the agent again. How
the probes of a question went is told for {fresh:g} minutes."""

_SERVE = """\
From the last report of each group, by `serve`'s rounds (`--interval`). A verdict that is older
than {rounds} intervals is `unknown`, all its checks are, and what was seen of the group is not
shown; what it should be, and which pods are in it, stays. A group that is gone has no series.
Where serving groups cannot be listed (`distcheck_discovery_success` 0) the last ones stay until
they are too old.

`distcheck_workload_gpu_share` is what a rank says that it loaded, as a part of one copy computed
from the model's `config.json`: then both bounds are one. Where no line tells, NVML and the size
of the engine's cache leave an interval: `lower` above `distcheck_workload_gpu_share_expected`
proves that the GPU holds more than its share, `upper` below it that it holds less. Ranks that
hold a vocabulary or key-value heads whole have a little more than 1/(TP x PP)."""


def metrics_page(made: str) -> str:
    """`docs/metrics.md`."""
    kinds = ", ".join(f"`{kind}`" for kind in KINDS)
    head = _HEAD.format(made=made, label=MAX_LABEL, series=MAX_SERIES, kinds=kinds)
    every = Settings().look_every
    look = _LOOK.format(every=every, pods=64, stale=STALE_AFTER, least=AT_LEAST)
    sections = (
        ("## Agent", "", ()),
        ("### The agent itself", _ITSELF.format(fresh=FRESH / 60), (BUILD, *agent.OF_ITSELF)),
        ("### Its own look", look, agent.OF_ITS_LOOK),
        ("### Logs", _LOGS, agent.OF_LOGS),
        ("### Answers", _ANSWERS.format(fresh=FRESH / 60), agent.OF_ANSWERS),
        ("### Events", _EVENTS, agent.OF_EVENTS),
        ("## Serve", _SERVE.format(rounds=STALE_ROUNDS), (BUILD, *serve.FAMILIES)),
    )
    return "\n".join([head, *(_section(*one) for one in sections)])


def _section(title: str, says: str, families: Iterable[Family]) -> str:
    rows = "".join(_row(one) for one in families)
    table = f"| metric | labels | what it says | no series where |\n|---|---|---|---|\n{rows}"
    return "\n\n".join(filter(None, (title, says, table if rows else ""))) + "\n" * (not rows)


def _row(one: Family) -> str:
    name = f"distcheck_{one.name}{'_total' if one.kind == 'counter' else ''}"
    labels = ", ".join(f"`{label}`" for label in one.labels)
    return f"| `{name}` | {labels} | {one.says} | {one.none} |\n"
