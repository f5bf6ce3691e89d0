"""What the agent last answered about pods, as metric families."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from distcheck.agent import families as f
from distcheck.agent.answers import Answer
from distcheck.agent.openmetrics import Metric

_STATES = {"ALIVE": "alive", "DEAD": "dead"}


def answer_families(answers: Sequence[Answer], expected: Mapping[str, int]) -> Iterator[Metric]:
    """Of all answers; `expected` GPUs by `namespace/name`."""
    of = [(tuple(one.key.split("/", 1)), one) for one in answers]
    yield f.ANSWERED.of((pod, one.at) for pod, one in of)
    yield f.PORT_REACHABLE.of(
        ((*pod, *place), reached) for pod, one in of for place, reached in one.reached.items()
    )
    clusters = [(pod, one.ray) for pod, one in of if one.ray is not None]
    yield f.RAY_NODES.of(
        ((*pod, state), count)
        for pod, ray in clusters
        for state, count in _states(n.state for n in ray.nodes).items()
    )
    yield f.RAY_GPUS.of((pod, sum(n.gpus for n in ray.nodes if n.alive)) for pod, ray in clusters)
    yield f.RAY_GPUS_EXPECTED.of(
        (pod, expected[one.key]) for pod, one in of if one.ray is not None and one.key in expected
    )


def _states(rows: Iterator[str]) -> dict[str, int]:
    """Rows by state; a state that Ray has and that no node is in counts 0."""
    counts = Counter(_STATES.get(state, "other") for state in rows)
    return {state: counts[state] for state in (*_STATES.values(), "other")}
