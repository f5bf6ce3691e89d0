"""A Prometheus configuration for one lab: what to scrape, and the alert rules of the checkout."""

from collections.abc import Mapping
from pathlib import Path

import distcheck

SERVE = "127.0.0.1:9412"
"""Where `distcheck serve` is looked for."""
_RULES = Path(distcheck.__file__).parents[2] / "deploy" / "prometheus" / "rules.yaml"
_TARGET = "      - {{targets: ['{address}'], labels: {{node: {node}}}}}\n"


def prometheus_text(agents: Mapping[str, str]) -> str:
    """`prometheus.yml` for agents' metrics by node; without rules where there is no checkout."""
    rules = f"rule_files: ['{_RULES}']\n" if _RULES.exists() else ""
    targets = "".join(_TARGET.format(address=at, node=node) for node, at in agents.items())
    static = f"    static_configs:\n{targets}" if targets else ""
    return f"""global: {{scrape_interval: 2s, evaluation_interval: 2s}}
{rules}scrape_configs:
  - job_name: distcheck-agent
{static}  - job_name: distcheck-serve
    static_configs:
      - {{targets: ['{SERVE}']}}
"""
