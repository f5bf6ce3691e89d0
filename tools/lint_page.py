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

Above a key it stands for that line, above the first key of an object for the whole object; several
ids are written with commas. One that silences nothing any more, or names no rule, is told.

## Mending

`distcheck lint --diff deploy/` shows what can be mended without knowing more than the files, and
`--fix` writes it: values without the quotes that their field wants, or with quotes that it does not
take (CONF070), and a volume for /dev/shm with its mount (CONF060). Only the text at those places
changes: comments, order, anchors and line ends stay. Nothing is written unless the new text, read
again, means the old one with exactly these changes, and no rule finds more than before. Templates,
standard input, JSON that would become YAML, and what a comment silences are left. The diff shows
secrets as stars, so `git apply` refuses it where one stands in the lines around.

## In CI

As a [pre-commit](https://pre-commit.com) hook, for the files of a commit:

```yaml
repos:
- repo: https://github.com/distcheck/distcheck
  rev: v0.1.0
  hooks:
  - id: distcheck-lint
```

As annotations of a GitHub Actions job, or for GitHub code scanning:

```yaml
permissions: {contents: read, security-events: write}
steps:
- uses: actions/checkout@v4
- run: pip install distcheck
- run: helm template my-release chart/ > rendered.yaml
- run: distcheck lint deploy/ rendered.yaml -o github -o sarif=lint.sarif
- uses: github/codeql-action/upload-sarif@v3
  if: always()
  with: {sarif_file: lint.sarif}
```

`-o junit=lint.xml` is for the test reports of GitLab and Jenkins, `-o json` for your own tools
(`distcheck schema lint`). In a repository with other manifests too, `--nothing-is-fine` exits 0
where nothing serves a model.

## On the live group

`distcheck verify` judges the workloads of the group by the same rules, as somebody wrote them:
what controllers and webhooks put into pods is not judged, nor is what the API server has checked
(CONF070 to CONF072). An error on paper fails the group, unless its checks prove that it is right:
then it is a warning. So is what a template lacks and a webhook may have put into the pods
(`/dev/shm`, RDMA devices, IPC_LOCK), unless the check that looks at the pods fails as well.
What a check saw outweighs what a rule fears, and hints are not told.
`--only CONF060` asks for one rule, `--skip` leaves one out, and evidence files carry what was
found, not the objects.

## What is read

YAML and JSON, several documents, Lists, anchors; Deployment, StatefulSet, DaemonSet,
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
