"""`docs/lint.md`: how to run it, and every rule with its examples."""

from distcheck.checks.manifest.rule import Rule
from distcheck.checks.manifest.rules import rules

_HEAD = """\
`distcheck lint PATH...` judges manifests before they are applied. It knows LLM serving groups: it
works out which pods serve one copy of a model, and whether what they are told can work.

```
distcheck lint deploy/                              # files, or folders with all below them
helm template my-release chart/ | distcheck lint -
kustomize build overlays/prod | distcheck lint - -o sarif=lint.sarif
```

An **error** cannot work as it is written. A **warning** is likely to fail, or to be slow. A
**hint** is advice, or something that a rule could not see in these files: it says what. Exit code 0
where there is no error (`--level warning` and `--level hint` ask for more), 1 where there is one, 2
where something cannot be read, 3 where nothing in the input serves a model.

A comment silences a finding where it is right to; it is reported as silenced, with its reason:

```yaml
image: vllm/vllm-openai:latest  # distcheck: ignore CONF075 a test cluster
```

Above a key it stands for that line, above the first key of an object for the whole object.

What is read: YAML and JSON, several documents, Lists, anchors; Deployment, StatefulSet, DaemonSet,
Job, CronJob, Pod, Service, ConfigMap (start scripts), PersistentVolumeClaim, NetworkPolicy,
LeaderWorkerSet, RayCluster, RayService, RayJob, MPIJob, NIMService, Argo Rollout, and values of
NVIDIA's NIM charts 1.x and 2.x. Where two objects of one name are in the input (overlays,
examples), each folder is judged by itself, and where that is not enough each file.
"""


def lint_page(made: str) -> str:
    """The page; `made` is the line that says that it is generated."""
    index = "\n".join(
        f"| [{r.id}](#{r.id.lower()}) | {r.level} | {r.page.title} |" for r in rules()
    )
    table = f"| id | level | what holds |\n|---|---|---|\n{index}\n"
    head = f"# Lint\n\n{made}\n\n{_HEAD}\n## Rules\n\n{table}"
    return "\n".join([head, *map(_section, rules())])


def _section(rule: Rule) -> str:
    page = rule.page
    return (
        f"### {rule.id}\n\n**{page.title}** ({rule.level}).\n\n{page.what} {page.why}\n\n"
        f"What to do: {page.fix}\n\nFails:\n\n```yaml\n{page.fails}```\n\n"
        f"Passes:\n\n```yaml\n{page.passes}```\n\nSource: {page.source}\n"
    )
