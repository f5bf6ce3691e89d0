"""The page about metrics: every family of the agent and of `serve`."""

from collections.abc import Iterable

from distcheck.agent import families as agent
from distcheck.agent.openmetrics import BUILD, Family
from distcheck.agent.serve import families as serve


def metrics_page(made: str) -> str:
    """`docs/metrics.md`."""
    return f"""# Metrics

{made}

## Agent

{table((BUILD, *agent.FAMILIES))}
## Serve

{table((BUILD, *serve.FAMILIES))}"""


def table(families: Iterable[Family]) -> str:
    """One row a family."""
    rows = "".join(_row(one) for one in families)
    return f"| metric | labels | what it says | no series where |\n|---|---|---|---|\n{rows}"


def _row(one: Family) -> str:
    name = f"distcheck_{one.name}{'_total' if one.kind == 'counter' else ''}"
    labels = ", ".join(f"`{label}`" for label in one.labels)
    return f"| `{name}` | {labels} | {one.says} | {one.none} |\n"
