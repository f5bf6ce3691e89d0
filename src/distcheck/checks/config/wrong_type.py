"""CONF070: a value of a type that the API server refuses."""

from collections.abc import Iterator

from distcheck.checks.manifest.bundle import Bundle, Flaw
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.ray_serve import serve_file
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.stand_in import filled_later
from distcheck.pattern import pattern


@rule("CONF070", level="error")
def wrong_type(bundle: Bundle) -> Iterator[Finding]:
    """Every value has the type that its field takes.

    What:
        A field holds a number or a boolean where text must be, a list where a mapping must be,
        and so on.
    Why:
        The API server refuses the whole object. Values of environment variables and labels
        are text: `8` and `true` without quotes are not.
    Fix:
        Write the value as its field takes it; numbers and booleans that are text go in quotes.
    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            env:
            - name: VLLM_PORT
              value: 8000
    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            env:
            - name: VLLM_PORT
              value: "8000"
    Unsure:
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: vllm}
        spec:
          replicas: ${REPLICAS}
          selector: {matchLabels: {app: vllm}}
          template:
            metadata: {labels: {app: vllm}}
            spec:
              containers:
              - {name: vllm, image: "vllm/vllm-openai:v0.11.0", args: [--model, /m]}
    Source:
        Kubernetes: API reference, as the OpenAPI types of its Python client have it; what unquoted
        words are: sigs.k8s.io/yaml goyaml.v2/resolve.go.
    """
    later: dict[int, list[Flaw]] = {}
    for flaw in bundle.flaws:
        if flaw.kind == "type" and flaw.unseen:
            later.setdefault(flaw.spot.of, []).append(flaw)
        elif flaw.kind == "type":
            yield Finding(flaw.spot, flaw.says, _fix(flaw.says))
    for group in bundle.groups:
        if found := _NO_YAML.search(group.intent.unread.get("serveConfigV2", "")):
            yield _no_yaml(group, found[1], int(found[2]))
    yield from (_filled_later(first, len(more)) for first, *more in later.values())


def _fix(says: str) -> str:
    """In a word where quotes are all that is wrong."""
    if "must be text" in says and not says.endswith(("a mapping", "a list")):
        return "Put the value in quotes."
    if size := _SIZE.search(says):
        return _quantity(*size.groups())
    if one := _FOR_LIST.search(says):
        return _list(one[1])
    if one := _REFERENCE.search(says):
        key = ", key: ..." if "KeyRef" in says else ""
        return f"Write `{{name: {one[1]}{key}}}`."
    if says.endswith("must be a list, and is a mapping"):
        return "Write a list: each item begins with `- `."
    return "Write the number without quotes." if _QUOTED.search(says) else ""


def _list(text: str | None) -> str:
    """The words of a text as items, where nothing in it has a meaning to a shell."""
    if not text or len(text) >= _CUT:
        return "Write a list, each word an item of its own."
    items = ", ".join(f'"{word}"' for word in text.split())
    return f"Write `[{items}]`."


_CUT = 60
"""Longer texts are shown by their beginning."""


def _quantity(number: str, unit: str, binary: str) -> str:
    """As Kubernetes writes `16GB` and `16 GiB`; of the first it is not told which is meant."""
    if not unit:
        return "Write a number, of bytes with Ki, Mi, Gi or Ti behind it."
    unit = unit.upper()
    decimal = "" if binary else f", or {number}{unit.replace('K', 'k')} for powers of ten"
    return f"Write {number}{unit}i{decimal}."


_SIZE = pattern(
    r"must be a quantity such as 16Gi, and is the text '"
    r"(?:(\d+(?:\.\d+)?) ?([kKmMgGtT]) ?(i?)[bB]?'\Z)?",
    near=("a quantity",),
)
_FOR_LIST = pattern(
    r"must be a list, and is the text '(?:([\w./:-]+(?: [\w./:-]+)*)'\Z)?", near=("a list",)
)
_REFERENCE = pattern(r"Ref must be a mapping, and is the text '([a-z0-9.-]+)'\Z", near=("Ref",))
_QUOTED = pattern(r"must be a (?:whole )?number, and is the text '\d+'\Z")


_BEFORE = pattern(r".*column \d+|[^:]*: ")
_NO_YAML = pattern(r"([^\"]+?) in \"<[a-z ]+>\", line (\d+), column \d+\Z", near=(", line ",))


def _no_yaml(group: Group, why: str, line: int) -> Finding:
    """Ray Serve's configuration, at the line where its text stops being YAML."""
    config = serve_file(group.leader.template)
    held = config.text().split("\n")[max(line - 2, 0) : line]
    text = next((h.strip() for h in reversed(held) if h.strip()), "")
    what = _BEFORE.sub("", why).strip()
    says = f"serveConfigV2 is no YAML: {what}, in its line {line}"
    fix = "Write it as YAML; keys of one mapping begin in one column."
    unseen = filled_later(config.text())
    return Finding(config.spot.within(text), says, fix, unseen=unseen)


def _filled_later(first: Flaw, more: int) -> Finding:
    """One for an object: a template for envsubst has such places everywhere."""
    others = f", and {more} more place{'s' * (more != 1)} like it" if more else ""
    fix = "Give it as it is applied: the output of `helm template`, envsubst or what fills it in."
    return Finding(first.spot, first.says + others, fix, unseen=first.unseen)
