"""What is made from `deploy/prometheus/rules.yaml`: a PrometheusRule, and the page of alerts."""

import textwrap
from pathlib import Path
from typing import Any

import yaml

RULES = Path(__file__).parents[1] / "deploy" / "prometheus" / "rules.yaml"
_CHECKS = "https://github.com/distcheck/distcheck/blob/main/docs/"
_WORDS = {
    "{{ $labels.workload_namespace }}/{{ or $labels.workload $labels.workload_pod }}": "a group",
    "{{ $labels.workload_namespace }}/{{ $labels.workload }}": "a group",
    "{{ $labels.workload_namespace }}/{{ $labels.workload_pod }}": "a pod",
    "{{ with $labels.workload }}{{ $labels.workload_namespace }}/{{ . }}{{ else }}"
    "{{ or $labels.node $labels.instance }}{{ end }}": "a group or a node",
    "{{ or $labels.node $labels.instance }}": "a node",
    "node {{ $labels.node }}": "a node",
    "{{ or $labels.pod $labels.instance }}": "an agent or serve",
    "{{ $labels.of }}": "serve or the agent",
    "{{ $value }} series": "The series that are left out",
    "{{ $value | humanizeDuration }}": "too",
    "{{ $value | humanizePercentage }}": "So much",
}
"""What a page says for what an alert fills in."""
_HEAD = """# Alerts

{made}

Rules for Prometheus, tested by `promtool test rules` and against a real Prometheus that scrapes
[the lab](../README.md): [`rules.yaml`](../deploy/prometheus/rules.yaml), the same as a
[PrometheusRule](../deploy/prometheus/prometheusrule.yaml), and what to scrape
([for the operator](../deploy/prometheus/monitors.yaml), [without
it](../deploy/prometheus/scrape.yaml)).

With the Prometheus Operator. It takes up what its Prometheus selects, often by a label that each
object needs (`kubectl get prometheus -A -o yaml | grep -A3 -i selector` shows which); this
kustomization adds it:

    # kustomization.yaml
    resources: [https://github.com/distcheck/distcheck//deploy/prometheus?ref=main]
    labels:
      - pairs: {release: kube-prometheus-stack}

    kubectl apply -k .                    # or, where no label is asked for: -k deploy/prometheus

With the Helm chart of distcheck, for the operator too:

    helm upgrade --install distcheck deploy/helm/distcheck -n distcheck --set serve.enabled=true \\
      --set prometheus.podMonitor.enabled=true --set prometheus.serviceMonitor.enabled=true \\
      --set prometheus.rules.enabled=true --set prometheus.labels.release=kube-prometheus-stack

With neither, Prometheus reads files. Put [`rules.yaml`](../deploy/prometheus/rules.yaml) where it
reads rules, for one in the cluster from a ConfigMap that its pod mounts, name it, and add the jobs
of [`scrape.yaml`](../deploy/prometheus/scrape.yaml) to those that are there:

    kubectl -n monitoring create configmap distcheck-rules --from-file=deploy/prometheus/rules.yaml

    # prometheus.yml
    rule_files: [/etc/prometheus/distcheck/rules.yaml]
    scrape_configs: []    # the jobs of scrape.yaml here

`DistcheckNothingScraped` fires where rules are there and nothing is scraped.

Groups are judged by `distcheck serve`. Agents' facts raise DistcheckShmFilling and
DistcheckShmLeaked pod by pod; in a cluster without `serve`, or six hours after it left, also
DistcheckPodOnSockets and DistcheckGpuDirectLost. Nothing tells of ports or of Ray there: an agent
asks them only for `serve` or `verify`. What was not seen raises alerts too: the last nine are about
evidence itself.

No alert counts a start of up to twenty minutes, a rollout, or five minutes without scrapes; but an
engine that ends again and again is told of after fifteen. What a check found counts for five
minutes more, so that an odd round, or a `serve` that restarts, ends no alert: one ends five minutes
after its trouble.

What a scrape must give:

- Agents a target label `node`, as the two files above do. A job that scrapes all pods with
  `prometheus.io/scrape` annotations often gives none: then nobody knows which node an agent speaks
  of, and DistcheckEvidenceMissing, DistcheckNodeUnseen and DistcheckRdmaLinkDown keep still.
- Any job name does. Where it is not `distcheck-agent` or `distcheck-serve` a target that never
  answered is not known to be distcheck's, and one that stays away is told of for six hours.
- A label `cluster` where one ruler (Mimir, Thanos) judges several clusters. Rules keep it, and
  alerts have it. If yours has another name: `sed 's/(cluster/(yours/' rules.yaml`.

One fault may raise two alerts, the cause and its effect. Let Alertmanager send one message a group:

    route:
      group_by: [cluster, workload_namespace, workload]

An alert on a group has the labels `workload_namespace` and `workload`, one on a pod
`workload_namespace` and `workload_pod`. `severity` is `critical` where a group does not serve or
is not what was asked for, `warning` where it is slow, will fail, or evidence is lacking, and
`info` where nothing is known.

To silence one group's alert for a while, silence it in Alertmanager:

    amtool silence add alertname=DistcheckNcclOnSockets workload=vllm-tp16 -d 2h -c "TCP for now"

Where a check should never judge, run `serve` [without it](faq.md#how-do-i-silence-a-check).

## Try it with the lab

To see one rise, give a lab with a fault a Prometheus of your own: you need `prometheus` on the
`PATH` ([download](https://prometheus.io/download/)). The lab writes its configuration, with these
rules, and names it in `DISTCHECK_LAB_PROMETHEUS`; agents, and a `serve` at port 9412, are its
targets:

    distcheck lab run socket-fallback -- bash
    distcheck serve --listen 127.0.0.1:9412 --interval 10s &
    prometheus --config.file="$DISTCHECK_LAB_PROMETHEUS" --storage.tsdb.path="$(mktemp -d)"

http://127.0.0.1:9090/alerts shows `DistcheckNcclOnSockets` pending within a minute, and firing
fifteen minutes later. To leave: Ctrl-C ends Prometheus, `kill %1` ends `serve`, and `exit` ends the
lab. [The dashboard](dashboard.md#look-at-it-with-a-lab) reads the same Prometheus.

## All alerts
"""


def prometheus_rule() -> str:
    """The groups of `rules.yaml`, as they stand there, in an object for the operator."""
    _, _, groups = RULES.read_text(encoding="utf-8").partition("\ngroups:\n")
    return f"""# Made by `make docs` from rules.yaml: edit that, not this file.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: distcheck
  namespace: distcheck
  labels:
    app.kubernetes.io/name: distcheck
    app.kubernetes.io/part-of: distcheck
spec:
  groups:
{textwrap.indent(groups, "  ")}"""


def alerts_page(made: str) -> str:
    """`docs/alerts.md`: a table of all alerts, and a section for each."""
    alerts = [rule for group in _groups() for rule in group["rules"] if "alert" in rule]
    rows = "".join(_row(one) for one in alerts)
    table = f"| alert | severity | after | what it means |\n|---|---|---|---|\n{rows}"
    records = "".join(
        f"| `{rule['record']}` |\n" for group in _groups() for rule in group["rules"]
        if "record" in rule
    )  # fmt: skip
    sections = [_section(one) for one in alerts]
    kept = f"## Recording rules\n\n| series |\n|---|\n{records}"
    head = _HEAD.replace("{made}", made.replace("the docstrings", "rules.yaml"))
    return "\n".join([head, table, *sections, kept])


def _groups() -> list[dict[str, Any]]:
    groups: list[dict[str, Any]] = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return groups


def _row(alert: dict[str, Any]) -> str:
    name, summary = alert["alert"], plain(alert["annotations"]["summary"])
    severity = alert["labels"]["severity"]
    return f"| [{name}](#{name.lower()}) | {severity} | {alert['for']} | {summary} |\n"


def _section(alert: dict[str, Any]) -> str:
    notes = alert["annotations"]
    link = notes["runbook_url"].removeprefix(_CHECKS)
    page = (
        "" if link.startswith("alerts.md") else f"\nThe check behind it: [{_title(link)}]({link})\n"
    )
    text = textwrap.fill(plain(notes["description"]), 100, break_on_hyphens=False)
    expression = f"```promql\n{alert['expr'].strip()}\n```"
    means = f"**{plain(notes['summary'])}.**"
    return f"## {alert['alert']}\n\n{means}\n\n{text}\n{page}\n{expression}\n"


def _title(link: str) -> str:
    return link.rpartition("#")[2].upper() if "#" in link else "the checks"


def plain(text: str) -> str:
    """The text with words in the place of what an alert fills in, its first letter large."""
    text = " ".join(text.split())
    for template, word in _WORDS.items():
        text = text.replace(template, word)
    return text[:1].upper() + text[1:]
