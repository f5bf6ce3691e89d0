"""CONF004: a wait for Ray's GPUs that counts lines."""

from collections.abc import Iterator

from distcheck.checks.manifest.finding import Finding, Level
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template
from distcheck.pattern import pattern

_COUNTS = pattern(
    r"ray\s+status[^\n|;&]{0,80}\|[^\n;&]{0,80}grep\s+(?:-\w+\s+){0,3}-\w*c\w*\s[^\n;&)|`]{0,60}"
    r"|ray\s+status[^\n|;&]{0,80}\|[^\n;&]{0,60}grep[^\n;&|]{0,60}GPU[^\n;&|]{0,20}\|\s*wc\s+-l",
    near=("grep",),
)
_WANTS = pattern(r"(?:-(?:ge|gt|eq|lt|ne|le)\b|[<>=!]=?)\s*[\"']?\$?\{?(\w+)(?::-(\d+))?\}?[\"']?")
_NEAR = 220


@rule("CONF004", level="error", others=("warning",))
def wait_can_end(template: Template) -> Iterator[Finding]:
    """A wait for Ray's GPUs counts GPUs, not lines.

    What:
        A start script compares `ray status | grep -c GPU` with a number of GPUs.
    Why:
        `ray status` prints one line for all GPUs (`0.0/16.0 GPU`), so the count is 1 or 2
        however many there are, and the loop never ends.
    Fix:
        Wait with `distcheck wait`, or count in Python:
        `python3 -c "import ray; ray.init('auto'); print(int(ray.cluster_resources()['GPU']))"`.
    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm-head}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            command: [bash, -c]
            args:
            - |
              ray start --head --port=6379
              until [ $(ray status | grep -c GPU) -ge 16 ]; do sleep 5; done
              vllm serve /models/m --tensor-parallel-size 16
    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm-head}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            command:
            - bash
            - -c
            - |
              ray start --head --port=6379
              until ray status | grep -q '/16.0 GPU'; do sleep 5; done
              vllm serve /models/m --tensor-parallel-size 16
    Unsure:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            command: [sh, -c, "until ray status | grep -c GPU; do sleep 1; done; vllm serve /m"]
    Source:
        Ray's autoscaler prints one line a resource (python/ray/autoscaler/_private/util.py).
    """
    for one in template.every:
        for text in one.texts:
            for found in _COUNTS.finditer(text.text):
                if "GPU" not in found[0].upper():
                    continue
                number = _wanted(text.text[found.end() : found.end() + _NEAR])
                if number is not None and number <= 1:
                    continue
                level: Level | None = "warning" if number == _OR_DEMANDS else None
                spot = text.spot.within(found[0].strip())
                many = f", and {number} are waited for" if number else ""
                says = f"`ray status` has one line for all GPUs{many}: this counts lines"
                unseen = "" if number else "the number that it is compared with"
                yield Finding(spot, says, level=level, unseen=unseen)


_OR_DEMANDS = 2
"""Another line names GPUs only while something asks for them: this may end, but not by GPUs."""


def _wanted(behind: str) -> int | None:
    found = _WANTS.search(behind)
    if found is None:
        return None
    return int(found[2] or found[1]) if (found[2] or found[1]).isdigit() else None
