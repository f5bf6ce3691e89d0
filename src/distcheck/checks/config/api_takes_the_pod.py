"""CONF087: pods that the API server refuses."""

from collections.abc import Iterator

from distcheck.checks.manifest.container import PROBES, Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.refused import refused
from distcheck.checks.manifest.refused_words import refused_version, refused_words
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.stand_in import is_open
from distcheck.checks.manifest.template import Template
from distcheck.pattern import pattern


@rule("CONF087", level="error")
def api_takes_the_pod(template: Template) -> Iterator[Finding]:
    """The API server takes the pod.

    What:
        Two containers or two volumes of a pod, or two ports of a container, have one name, a
        container requests more than its limit, a toleration that asks for `Exists` has a value, a
        variable is told of a field that none can have, a probe asks in two ways or in none, a
        liveness or startup probe wants more than one success, a file's mode is above 0777, there is
        no such port, a volume or a variable has two sources, or a Deployment may neither add nor
        take a pod. A word such as `operator: exists` or `imagePullPolicy: ifNotPresent` is not the
        one that there is, a Deployment is of another version than apps/v1, or an image's name has
        capitals.
    Why:
        The API server refuses the object, or of a template each pod that its controller makes:
        "Duplicate value", "must be less than or equal to memory limit", "field label not
        supported", "may not specify more than 1 handler type", "Unsupported value", "no matches for
        kind". Of an image the node does: "repository name must be lowercase".
    Fix:
        Give each a name of its own, and request no more than the limit.
    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: one}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /m]
            resources: {requests: {memory: 64Gi}, limits: {nvidia.com/gpu: 1, memory: 32Gi}}
    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: one}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /m]
            resources: {requests: {memory: 32Gi}, limits: {nvidia.com/gpu: 1, memory: 64Gi}}
    Certain:
        Names and amounts of a pod stand in its manifest.
    Source:
        Kubernetes pkg/apis/core/validation (validateContainers, validateContainerPorts,
        ValidateVolumes,
        ValidateResourceRequirements, ValidateTolerations, validEnvDownwardAPIFieldPathExpressions,
        validateHandler, validateLivenessProbe, fileModeErrorMsg, validatePullPolicy); deprecation
        guide (1.16); distribution/reference normalize.go; ai-dynamo/dynamo#2421.
    """
    spec = template.spec
    yield from _twice([*spec.each("initContainers"), *spec.each("containers")], "containers")
    yield from _twice(list(spec.each("volumes")), "volumes")
    yield from _tolerations(spec)
    yield from _modes(spec)
    yield from refused_words(template)
    if _is_whole(template):
        yield from refused(template)
        yield from refused_version(template)
    is_nim = template.kind == "NIMService"  # whose probes the operator hands on as they are
    for container in template.every:
        yield from _fields(container)
        yield from _probes(container) if _is_whole(template) or is_nim else ()
        for name, amount in container.requests.items():
            limit = container.limits.get(name)
            if amount is not None and limit is not None and amount > limit:
                at = container.place.at("resources", "requests", name)
                says = f"container {container.name} requests more {name} than its limit"
                yield Finding(at.spot, says, "Request no more than the limit.")


def _tolerations(spec: Place) -> Iterator[Finding]:
    for one in spec.each("tolerations"):
        if one.text("operator") == "Exists" and one.text("value"):
            says = f"a toleration that asks whether {one.text('key')} exists has a value"
            yield Finding(one.at("value").spot, says, "Take the value out, or write `Equal`.")


def _is_whole(template: Template) -> bool:
    """Whether no operator or chart puts its own defaults under what is written here."""
    return template.kind in _WHOLE and not template.fragment


_WHOLE = frozenset(
    {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "Pod", "LeaderWorkerSet",
     "Rollout", "RayCluster", "RayService", "RayJob"}
)  # fmt: skip


def _probes(container: Container) -> Iterator[Finding]:
    """How a probe asks, and how often it must be answered."""
    for name in PROBES:
        probe = container.place.at(name)
        ways = [way for way in _WAYS if probe.at(way).value is not None]
        if len(ways) > 1:
            says = f"the {name} of {container.name} has {ways[0]} and {ways[1]}: it takes one way"
            yield Finding(probe.at(ways[1]).key, says, f"Keep {ways[0]} or {ways[1]}.")
        elif not ways and probe.value and set(map(str, probe.value)) <= _TIMES:
            says = f"the {name} of {container.name} says how often to ask, and not what"
            path = "/v1/health/ready" if container.nim else "/health"
            fix = f"Add `httpGet: {{path: {path}, port: ...}}`, or take the probe out."
            yield Finding(probe.key, says, fix)
        wanted = probe.at("successThreshold")
        if name != "readinessProbe" and type(wanted.value) is int and wanted.value > 1:
            says = f"the {name} of {container.name} wants {wanted.value} successes: it takes 1"
            yield Finding(wanted.spot, says, "Write 1, or take it out.")


_WAYS = ("exec", "httpGet", "tcpSocket", "grpc")
_TIMES = frozenset(
    {"initialDelaySeconds", "periodSeconds", "timeoutSeconds", "failureThreshold",
     "successThreshold", "terminationGracePeriodSeconds"}
)  # fmt: skip


def _modes(spec: Place) -> Iterator[Finding]:
    """Modes of files: `defaultMode: 755` is 01363."""
    for volume in spec.each("volumes"):
        for kind in ("configMap", "secret", "projected", "downwardAPI"):
            held = volume.at(kind)
            every = [held.at("defaultMode"), *(i.at("mode") for i in held.each("items"))]
            for mode in every:
                if type(mode.value) is int and not 0 <= mode.value <= _MOST:
                    says = f"{mode.path[-1]} is {mode.value}, and modes end at 0777"
                    yield Finding(mode.spot, f"{says}, which is {_MOST}", _octal(mode.value))


_MOST = 0o777


def _octal(number: int) -> str:
    """What was meant: the same digits, read as a mode."""
    digits = f"{number}"
    return f"Write 0{digits}." if not set("89-") & set(digits) else "Write 0755."


def _fields(container: Container) -> Iterator[Finding]:
    """Fields of the pod that no variable can have."""
    for variable in container.place.each("env"):
        path = variable.at("valueFrom", "fieldRef", "fieldPath")
        if path.text() and not _FIELD.fullmatch(path.text()) and not is_open(path.text()):
            says = f"{variable.text('name')} is told of {path.text()}, which no variable can have"
            fix = "Write `status.podIP`, `metadata.name`, or `metadata.labels['KEY']`."
            yield Finding(path.spot, says, fix)


_FIELD = pattern(
    r"metadata\.(?:name|namespace|uid|(?:labels|annotations)\['[^']+'\])"
    r"|spec\.(?:nodeName|serviceAccountName|host)|status\.(?:hostIPs?|podIPs?)"
)


def _twice(places: list[Place], what: str) -> Iterator[Finding]:
    seen: set[str] = set()
    for place in places:
        name = place.text("name")
        if name in seen:
            says, fix = f"two {what} are called {name}", "Give each a name of its own."
            yield Finding(place.at("name").spot, says, fix)
        seen |= {name} - {""}
