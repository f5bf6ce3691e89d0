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
**hint** is advice, or something that a rule could not see in these files: it says what. Some rules
tell both, by what they find.

![distcheck lint, on manifests whose names do not fit each other](images/lint-tutorial.svg)

The line under each message is the file, line and column; `...` another place that it is about.
Findings stand in the order of files and lines; where there are many, the errors are named again at
the end. `judged:` names each group as it was understood, and what of it was not (`TP not told`,
`model not known`): one that is not there was not judged. The last
lines say how much there was, and what was not judged. `--quiet` leaves findings and what cannot be
read, `-o concise` a line of each, for `grep` and editors. `distcheck explain CONF060` has a rule's
page, and `distcheck list --rules` all of them.

| exit code | |
|---|---|
| 0 | nothing of level error; `--level warning` and `--level hint` ask for more |
| 1 | a finding of that level, also where something else cannot be read |
| 2 | something cannot be read, or `--fix` could not write it; the rest is judged. Or bad options |
| 3 | nothing in the input serves a model (0 with `--nothing-is-fine`) |
| 70 | a bug of distcheck kept a rule, or what reads manifests, from judging something; 1 beats it |

Where we have a bug, all else is judged. What was not stands in every format as `not judged`, with
the rule, the place and where in our code it was; the traceback, and where to report it, go to
standard error. Messages of what raised are told where they cannot repeat what a file holds.

Pods are judged of Deployments, StatefulSets, ReplicaSets, DaemonSets, Jobs, CronJobs, Pods,
LeaderWorkerSets, RayClusters, RayServices, RayJobs, AIBrix's RayClusterFleets and StormServices,
MPIJobs, NIMServices, Argo Rollouts and values of the chart nim-llm, also below a key of an umbrella
chart's; of JobSets whose commands start a server; of the services of NVIDIA Dynamo's
DynamoGraphDeployments (v1alpha1, v1beta1), a leader and workers of those with `multinode`; and of
KServe's InferenceServices and LLMInferenceServices, with the ServingRuntime or the
LLMInferenceServiceConfig that they name where it is in the input. Where it is not, KServe adds to
the pod what nothing here shows (a command, volumes, probes): then rules tell what holds whatever
that is, such as more ranks than GPUs, and are silent about the rest; where the runtime of an LLM is
not there and its pods depend on it, a note names it. Of runtimes that nothing here uses what is
written is judged, not the sizes. Of Dynamo's services rules tell what is so in every release of its
operator, which adds how nodes join, probes, ports and a /dev/shm: sizes, flags of vLLM and SGLang,
claims, variables and fields. What TensorRT-LLM is told mostly stands in files that are not seen.
Where another kind asks for GPUs, or a pod for accelerators that are not NVIDIA's, a note says so:
nothing is called right that was not judged.
Templates of Helm are judged as `helm template` writes them, overlays as `kustomize build` does;
of an OpenShift Template give the output of `oc process`.
Where a `kustomization.yaml` of the input changes a file that it names, what it may mend is a hint.

A comment silences a finding where it is right to; it is reported as silenced, with its reason:

```yaml
image: vllm/vllm-openai:latest  # distcheck: ignore CONF075 a test cluster
```

Above a key it stands for that line, above the first key of an object for the whole object; several
ids are written with commas. One in a start script silences what is found in that script. Text in
quotes is no comment, and none reaches into another document. One that silences nothing any more,
names no rule (`CONF75`) or lacks the colon is told; the last two on standard error where the output
has no notes (`--quiet`, `-o concise`, `github`, `junit`). Without a reason a comment silences, too:
`no reason given` is reported.

Comments do not reach a cluster. What `verify` is to leave out too is written as an annotation, of
the object or of its pod template, with semicolons between several; both report it as silenced, and
tell one that silences nothing. It decides no gate: a rule that `verify --require` names is unknown
where an annotation silences what it found.

```yaml
metadata:
  annotations:
    distcheck.io/ignore: CONF075 a test cluster
```

Of a live group a rule passes only where it saw what it is about: `verify --only CONF006` is unknown
of a model that nobody knows, and so is every rule where a workload of the group may not be read.

## Mending

`distcheck lint --diff deploy/` shows what can be mended without knowing more than the files, and
`--fix` writes it: values without the quotes that their field wants, or with quotes that it does not
take (CONF070), a volume for /dev/shm with its mount (CONF060), and operators of node affinity
that lack their capitals (CONF091). Only the text at those places
changes: comments, order, anchors and line ends stay. Nothing is written unless the new text, read
again, means the old one with exactly these changes, and no rule finds more than before. Templates,
JSON that would become YAML, files of mixed line ends or not in UTF-8, write-protected files, and
what a comment silences are left. So is a value under a merged anchor (`<<: *base`), which stands
for more than one place. A file is written beside the old one and put in its place whole, with its
mode, owner and attributes; one with hard links is written where it is.

The diff alone is on standard output, and findings on standard error, where `-o` asks for text:
`distcheck lint --diff deploy/ > x.patch` is a patch. `git apply -p0` and `patch -p0` take it, also
of files with line ends of Windows, in the folder that the names are from. It shows secrets as
stars. Where one stands in the lines around, `git apply` refuses it, and `patch` takes it with fuzz:
stars are never written. Where one stands in the line itself both refuse, and `--fix` mends it. JSON
gets no volume, and standard error says so: what is missing can only be added to YAML.

`--fix -` is a filter: what is on standard input comes out of standard output, mended, and diff
and findings go to standard error.

## In CI

Nothing is released yet: `rev` is a commit until then, and pip installs from the repository.

As a [pre-commit](https://pre-commit.com) hook, for the files of a commit:

```yaml
repos:
- repo: https://github.com/distcheck/distcheck
  rev: main  # better: a commit
  hooks:
  - id: distcheck-lint
```

As annotations of a GitHub Actions job, or for GitHub code scanning:

```yaml
permissions: {contents: read, security-events: write, actions: read}  # the last if private
steps:
- uses: actions/checkout@v4
- run: pip install git+https://github.com/distcheck/distcheck
- run: helm template my-release chart/ > rendered.yaml
- run: distcheck lint deploy/ rendered.yaml -o github -o sarif=lint.sarif
- uses: github/codeql-action/upload-sarif@v4
  if: always() && !github.event.pull_request.head.repo.fork
  with: {sarif_file: lint.sarif}
```

GitHub shows ten annotations of a level: the rest is in the log of the step, and all in the summary
of the job. Code scanning opens an alert for whatever is a result of a SARIF file, also where it is
marked as suppressed: what a comment silences is a notification there. Paths are relative to the
folder in which `lint` runs; standard input is `stdin`, which GitHub cannot show: give it a file. A
pull request from a fork has a token that may only read, so it has annotations and no alerts. SARIF
names the rules that found something; annotations, alerts and JUnit's cases are called by what is
wrong, or by what the rule checks, never by what holds where it passes.

`-o junit=lint.xml` is for the test reports of GitLab and Jenkins. In a repository with other
manifests too, `--nothing-is-fine` exits 0 where nothing serves a model.

Several files make one deployment: give `lint` all of them. pre-commit gives the files of a commit;
what depends on the others is a hint there. Charts and overlays are judged rendered: of what
`helm template` gives, findings name the template (`from chart/templates/head.yaml`), and of what
`kustomize build` gives the file, with `buildMetadata: [originAnnotations]`.

## JSON

`-o json` is for your own tools: `distcheck schema lint` has its schema, and fields are only added
within `distcheck.lint/v1`. What is empty or false is left out of a finding.

```sh
distcheck lint -o json deploy/ |
  jq -r '.findings[] | select(.silenced == null) | [.at.file, .at.line, .id, .says] | @tsv'
```

- `files`, `objects`, `judged`, `rules`: how many were read, were in them, serve a model, judged;
  `groups`: what was understood as one serving group, in words.
- `findings[]`, by file and line, also what comments silence: `id`, `level` (`error`, `warning`,
  `hint`), `title` (what holds where the rule passes), `says` (the cause), `fix`, `unseen` (what
  kept the rule from being sure), `silenced` (the reason that the comment gives).
- `findings[].at` and `.also[]`, the place and others that it is about: `file`, `line`, `column` and
  `end_column` (from 1, in characters; the last one is behind it), `source` (the line, stars for
  secrets; of a long one 1,000 characters behind the first `cut`), `object` (`Kind/name`),
  `namespace`, `path` in the object, `origin` (template or file that it was made from).
- `findings[].fixable`: `--fix` mends it, by `edits[]`: `column` to `end_column` of `line` become
  `text`. No edits are told where they would show a secret.
- `not_judged[]`: `file`, `line` (0 for all of it), `column`, `says`, `unreadable` where it
  should have been readable, `misspelt` for a comment or an annotation that can silence nothing,
  `bug` where it is our fault, then of `rule` (none: of what reads manifests), with a `trace`.

## On the live group

`distcheck verify` judges the workloads of the group by the same rules, as somebody wrote them:
what controllers and webhooks put into pods is not judged, nor is what the API server has checked
(CONF070 to CONF072), nor what
nothing uses (CONF103). A pod that nothing owns is judged as it was applied. Beside the workloads
stand Services, ConfigMaps that the leader mounts, NetworkPolicies, claims that several pods mount,
and the namespace where pods are not made; a rule whose objects may not be read is unknown.

An error on paper fails the group, unless its checks prove that it is right: then it is a warning.
So is what a template lacks and a webhook may have put into the pods (`/dev/shm`, RDMA devices,
IPC_LOCK), unless the check that looks at the pods fails as well. What a check saw outweighs what a
rule fears, and hints are not told.
`--only CONF060` asks for one rule, `--skip` leaves one out, and evidence files carry what was
found, not the objects.

## What is read

YAML and JSON, several documents, Lists, anchors; Deployment, StatefulSet, DaemonSet, Job, CronJob,
Pod, Service, ConfigMap (start scripts), PersistentVolumeClaim, NetworkPolicy, LeaderWorkerSet,
RayCluster, RayService, RayJob, AIBrix's RayClusterFleet and StormService, MPIJob, NIMService, Argo
Rollout, KServe's InferenceService, LLMInferenceService, their runtimes and configurations, Dynamo's
DynamoGraphDeployment, and values of NVIDIA's NIM charts 1.x and 2.x. Where two objects of one name
are in the input (overlays, examples), each folder is judged by itself, and where that is not enough
each file.
"""


def lint_page(made: str) -> str:
    """The page; `made` is the line that says that it is generated."""
    index = "\n".join(
        f"| [{r.id}](#{r.id.lower()}) | {r.levels} | {r.page.title} |" for r in rules()
    )
    table = f"| id | level | what holds |\n|---|---|---|\n{index}\n"
    head = f"# Lint\n\n{made}\n\n{_HEAD}\n## Rules\n\n{table}"
    return "\n".join([head, *map(_section, rules())])


def _section(rule: Rule) -> str:
    page = rule.page
    return (
        f"### {rule.id}\n\n**{page.title}** ({rule.levels}).\n\n{page.what} {page.why}\n\n"
        f"What to do: {page.fix}\n\nFails:\n\n```yaml\n{page.fails}```\n\n"
        f"Passes:\n\n```yaml\n{page.passes}```\n\nSource: {page.source}\n"
    )
