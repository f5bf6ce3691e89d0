"""Input that was made to be expensive: steps are counted, and a bound that is hit is said."""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from tests.lint.judge import judged

from distcheck.agent.cluster.podspec import argv_of, environment
from distcheck.agent.logs import shell
from distcheck.agent.logs.argv_engines import server_of
from distcheck.agent.logs.shell import MOST_CHARACTERS, reads_whole, runs
from distcheck.agent.manifests import kustomized
from distcheck.checks.config import (
    image_has_a_version,
    probe_asks_the_engine,
    ranks_are_not_scaled,
    server_starts_behind_ray,
)
from distcheck.checks.knowledge import names
from distcheck.pattern import Late

SCRIPTS: dict[str, Callable[[int], str]] = {
    "assignments": lambda n: "a=b;" * n,
    "variables": lambda n: "".join(f"a{i}=b{i};foo bar\n" for i in range(n)),
    "variables that refer to each other": lambda n: "".join(f"a{i + 1}=$a{i}x\n" for i in range(n)),
    "exports": lambda n: "".join(f"export a{i}=b\n" for i in range(n)),
    "commands": lambda n: "foo bar baz\n" * n,
    "one long command": lambda n: "vllm serve m " + "--foo=bar " * n,
    "arrays that grow": lambda n: "a=(x)\n" + "a+=(x)\n" * n * 4,
    "evals": lambda n: "(" + "".join(f"a{i}=1\neval x\n" for i in range(n)) + ")",
    "substitutions": lambda n: "echo " + "$(" * n + ")" * n,
    "defaults in defaults": lambda n: "x=" + "${a:-" * n + "}" * n,
    "functions": lambda n: "".join(f"f{i}() {{\n foo\n}}\n" for i in range(n)),
    "shells": lambda n: 'bash -c "foo"\n' * n,
    "a shell in a shell": lambda n: 'bash -c "' + "foo; " * n + '"',
    "arithmetic": lambda n: "((a+=1))\n" * n,
    "loops": lambda n: "until x; do sleep 5; done\n" * n,
    "conditions": lambda n: "if x; then\n" * n,
    "comments": lambda n: "# a comment\n" * n,
}  # fmt: skip
GROUP = """\
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata: {{name: x}}
spec:
  leaderWorkerTemplate:
    size: 2
    workerTemplate:
      spec:
        containers:
        - name: engine
          image: vllm/vllm-openai:latest
          command: [bash, -c]
          args: ['{script}']
          resources: {{limits: {{nvidia.com/gpu: 8}}}}
"""


@contextmanager
def counted() -> Iterator[list[int]]:
    """How many functions are called, in Python and in C."""
    calls = [0]

    def count(_frame: object, event: str, _what: object) -> None:
        calls[0] += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        yield calls
    finally:
        sys.setprofile(None)


def steps(script: str) -> int:
    shell._long.cache_clear()
    shell._short.cache_clear()
    with counted() as calls:
        list(runs(("bash", "-c", script)))
    return calls[0]


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_costs_as_it_is_long(name: str) -> None:
    script = SCRIPTS[name]
    few, more = steps(script(80)), steps(script(320))
    assert more < 5 * few


SEARCHED: dict[str, tuple[Late | re.Pattern[str], str]] = {
    "what ends a branch": (server_starts_behind_ray._ENDS, "\n"),
    "a name in a patch": (kustomized._NAME, "\n"),
    "a release in a name": (image_has_a_version._IN_NAME, "1"),
    "ranks by a remainder": (ranks_are_not_scaled._IN_GROUPS, "("),
    "names with a hyphen": (names._NAME, "a"),
    "processes but those": (probe_asks_the_engine._EXCEPT, "pgrep -a "),
}


@pytest.mark.parametrize("name", SEARCHED)
def test_what_is_searched_is_searched_once(name: str) -> None:
    found, piece = SEARCHED[name]
    assert not found.search(piece * 300_000), "in hours, where a search begins anew at each letter"


def test_the_same_script_is_read_once() -> None:
    shell._long.cache_clear()
    script = ("bash", "-c", SCRIPTS["commands"](1000))
    assert list(runs(script)) == list(runs(script))
    assert (shell._long.cache_info().misses, reads_whole(script)) == (1, True)


def test_variables_that_double_each_other_fill_no_memory() -> None:
    doubling = "a0=xxxxxxxx\n" + "".join(f"a{i + 1}=$a{i}$a{i}\n" for i in range(60))
    ran = list(runs(("bash", "-c", f"{doubling}foo $a2\n" + "foo y$a12\n" * 4000)))
    assert ran[0].words == ("foo", "x" * 32)
    assert sum(len(w) for one in ran for w in one.words) < 1 << 20
    assert not reads_whole(("bash", "-c", f"{doubling}\n" + "foo y$a12\n" * 4000))


def test_variables_of_a_spec_that_double_each_other_fill_no_memory() -> None:
    env = [{"name": f"A{i + 1}", "value": f"$(A{i})$(A{i})"} for i in range(200)]
    container = {"env": [{"name": "A0", "value": "x"}, *env], "args": ["$(A9)"] * 20_000}
    values = environment(container)
    assert values["A9"] == "x" * 512
    assert sum(map(len, values.values())) < 3 << 20
    assert sum(map(len, argv_of(container))) < 4 << 20


def test_what_follows_a_script_that_is_too_long_is_not_known() -> None:
    long = "vllm serve m --tensor-parallel-size 8\n" + "# x\n" * (MOST_CHARACTERS // 4)
    found = server_of(("bash", "-c", long))
    assert found is not None
    assert (found.flags.tp, found.flags.reasons["tp"]) == (None, "a script too long to be read")


def test_lint_says_that_it_did_not_read_to_the_end() -> None:
    start = "ray start --address=other:6379 --block; vllm serve m --tensor-parallel-size 8 "
    report = judged(GROUP.format(script=start + "; : " + "x" * MOST_CHARACTERS))
    (said,) = (n for n in report.not_judged if "too long" in n.says)
    assert (said.line, said.unreadable) == (10, False)
    assert {f.level for f in report.findings} == {"hint"}
    whole = judged(GROUP.format(script=start))
    assert "error" in {f.level for f in whole.findings}
    assert not [n for n in whole.not_judged if "too long" in n.says]


SERVED = """\
---
apiVersion: v1
kind: Service
metadata: {{name: s{n}}}
spec: {{selector: {{app: x}}, ports: [{{port: 80, targetPort: http}}]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: p{n}, labels: {{app: x}}}}
spec: {{containers: [{{name: v, image: "vllm/vllm-openai:v0.11.0", args: [--model, /m]}}]}}
"""
JOINING = """\
---
apiVersion: v1
kind: Service
metadata: {{name: s{n}}}
spec: {{clusterIP: None, selector: {{app: h{n}}}, ports: [{{port: 6379}}]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: h{n}, labels: {{app: h{n}}}}}
spec: {{containers: [{{name: v, image: "rayproject/ray:2.46.0", command: [ray, start, --head]}}]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: w{n}, labels: {{app: w}}}}
spec:
  containers:
  - {{name: v, image: "rayproject/ray:2.46.0", command: [ray, start, "--address=s{n}:6379"]}}
"""


POLICIES = """\
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: n{n}}}
spec:
  podSelector: {{matchLabels: {{app: p{n}}}}}
  ingress: [{{from: [{{podSelector: {{}}}}]}}]
---
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata: {{name: l{n}}}
spec:
  leaderWorkerTemplate:
    size: 2
    workerTemplate:
      metadata: {{labels: {{app: p{n}}}}}
      spec: {{containers: [{{name: v, image: "vllm/vllm-openai:v0.11.0"}}]}}
"""


@pytest.mark.parametrize(
    "text", [SERVED, JOINING, POLICIES], ids=["one selector", "a Service each", "a policy each"]
)
def test_services_and_pods_cost_as_many_as_they_are(text: str) -> None:
    def cost(many: int) -> int:
        with counted() as calls:
            judged("".join(text.format(n=n) for n in range(many)))
        return calls[0]

    cost(1)
    few, some, many = cost(5), cost(25), cost(45)
    assert many - some < 1.06 * (some - few)
