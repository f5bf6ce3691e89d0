"""CONF118: a Service for requests that chooses workers, or servers of another model, too."""

from collections.abc import Iterator, Sequence
from itertools import takewhile

from distcheck.checks.manifest.bundle import Bundle, Service
from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.listening import listens_on
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.stand_in import is_open
from distcheck.checks.manifest.template import Template


@rule("CONF118", level="warning")
def services_choose_servers(bundle: Bundle) -> Iterator[Finding]:
    """A Service for requests chooses only pods that answer them.

    What:
        A Service leads to the port of a group's leader, and its selector fits workers too: they
        only join Ray, or start vLLM `--headless`, and have no readiness probe. Or it fits servers
        of two models, which listen on the port that it leads to.

    Why:
        A worker without a probe is ready at once: the Service sends it its share of requests,
        which are refused, one in two in a group of two. Of two servers each is sent requests for
        the other's model: vLLM answers 404. SGLang answers for any name: a hint.

    Fix:
        Give the leader's template a label of its own (`role: leader`), and choose by it.

    Fails:
        apiVersion: v1
        kind: Service
        metadata: {name: head}
        spec: {selector: {role: head}, clusterIP: None, ports: [{port: 6379}]}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: head, labels: {app: vllm, role: head}}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            command: [sh, -c, "ray start --head; vllm serve /m -tp 8 -pp 2"]
            resources: {limits: {nvidia.com/gpu: 8}}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: worker, labels: {app: vllm}}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            command: [sh, -c, "ray start --address=head:6379 --block"]
            resources: {limits: {nvidia.com/gpu: 8}}
        ---
        apiVersion: v1
        kind: Service
        metadata: {name: api}
        spec: {selector: {app: vllm}, ports: [{port: 8000}]}

    Passes:
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: vllm}
        spec:
          leaderWorkerTemplate:
            size: 2
            leaderTemplate:
              metadata: {labels: {app: vllm, role: leader}}
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.11.0
                  command: [sh, -c, "ray start --head; vllm serve /m -tp 8 -pp 2
                    --distributed-executor-backend ray"]
                  resources: {limits: {nvidia.com/gpu: 8, memory: 400Gi}}
                  volumeMounts: [{name: dshm, mountPath: /dev/shm}]
                volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]
            workerTemplate:
              metadata: {labels: {app: vllm}}
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.11.0
                  command: [sh, -c, "ray start --address=$(LWS_LEADER_ADDRESS):6379 --block"]
                  resources: {limits: {nvidia.com/gpu: 8, memory: 400Gi}}
                  volumeMounts: [{name: dshm, mountPath: /dev/shm}]
                volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]
        ---
        apiVersion: v1
        kind: Service
        metadata: {name: api}
        spec: {selector: {app: vllm, role: leader}, ports: [{port: 8000}]}

    Unsure:
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: vllm}
        spec:
          leaderWorkerTemplate:
            size: 2
            workerTemplate:
              metadata: {labels: {app: vllm}}
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.11.0
                  command: [/start.sh]
                  resources: {limits: {nvidia.com/gpu: 8}}
        ---
        apiVersion: v1
        kind: Service
        metadata: {name: api}
        spec: {selector: {app: vllm}, ports: [{port: 8000}]}

    Source:
        Kubernetes: Service, Pod readiness; vLLM vllm/entrypoints/cli/serve.py (run_headless
        starts no API server), vllm/entrypoints/openai (a model that is not served: 404);
        sgl-project/sglang#7035 and #9294 (the name is not compared).
    """
    several = [g for g in bundle.groups if len(g.members) > 1]
    known: dict[object, _Two | None] = {}
    for service in bundle.services:
        asked = len(service.selects) > 1 and not service.headless and not _is_scraped(service)
        for group in several if asked else ():
            if found := _of(service, group):
                yield found
                break
        else:
            if asked:
                yield from _of_two_models(service, known)


_Two = tuple[Template, str, Template, str]
"""Two templates that a Service leads to, each with what its model is called."""


def _of_two_models(service: Service, known: dict[object, _Two | None]) -> Iterator[Finding]:
    """Many Services may have one selector: its pods are looked at once."""
    key = (id(service.selects), frozenset(map(str, _ports(service))))
    if key not in known:
        ways = (_two_models(service, {port}) for port in _ports(service))
        known[key] = next(filter(None, ways), None)
    if (held := known[key]) is not None:
        one, name, two, other = held
        says = f"{service.what} leads to {one.what}, which serves {name}, and to {two.what},"
        fix = "Give each its own label, and choose by it."
        at = service.place.at("spec", "selector").spot
        unseen = "" if _check_names(one, two) else "whether they are meant to share requests"
        yield Finding(at, f"{says} which serves {other}", fix, None, unseen, (two.spot,))


def _check_names(one: Template, two: Template) -> bool:
    """Whether both refuse a model that they do not serve: SGLang answers for any name."""
    asked = [c.asks for t in (one, two) for c in t.containers if c.asks]
    return all(a.engine == "vllm" for a in asked)


def _two_models(service: Service, ports: set[object]) -> _Two | None:
    sure = [t for t in service.selects if service.selector.items() <= t.labels.items()]
    called = [(t, names) for t in sure if (names := _models(t, ports))]
    one, names = called[0] if called else (None, frozenset())
    two, others = next(((t, n) for t, n in called if not n & names), (None, names))
    if one is None or two is None:
        return None
    return one, min(names), two, min(others)


def _models(template: Template, ports: set[object]) -> frozenset[str]:
    """What the model is called that answers here, by its last part; none where not all is known."""
    engine = next((c for c in template.containers if _answers(c, ports)), None)
    asks = engine.asks if engine else None
    if engine is None or asks is None or not asks.model or engine.may_have_more:
        return frozenset()
    names = [asks.model, *(n for c in engine.commands for n in _served_names(c.words))]
    lost = any(is_open(n) for n in names) or any("lora" in w for w in engine.words)
    last = frozenset(n.rstrip("/").rpartition("/")[2].lower() for n in names)
    return frozenset() if lost else last


def _served_names(words: Sequence[str]) -> Iterator[str]:
    """All that `--served-model-name` is given: it takes several."""
    for number, word in enumerate(words):
        flag, told, name = word.partition("=")
        if flag.replace("_", "-") == "--served-model-name":
            later = takewhile(lambda w: not w.startswith("-"), words[number + 1 :])
            yield from (name,) if told else later


def _ports(service: Service) -> set[object]:
    told = service.place.each("spec", "ports")
    return {p.at("targetPort").value or p.number("port") for p in told}


def _of(service: Service, group: Group) -> Finding | None:
    ports = _ports(service)
    chosen = [m.template for m in group.members if m.template in service.selects]
    servers = [t for t in chosen if any(_answers(c, ports) for c in t.containers)]
    sure = [t for t in chosen if service.selector.items() <= t.labels.items()]
    silent = [t for t in sure if t not in servers and _is_silent(t, ports)]
    if not servers or not silent:
        return None
    at = service.place.at("spec", "selector")
    says = f"{service.what} chooses pods of {silent[0].what}, too, which answer no requests"
    return Finding(at.spot, says, _fix(servers[0], silent), also=(silent[0].spot,))


def _fix(server: Template, silent: list[Template]) -> str:
    """The label that the servers have already, and the others have not."""
    others = [t.labels for t in silent]
    own = ((k, v) for k, v in server.labels.items() if _OWN not in k)
    apart = next((f"{k}: {v}" for k, v in own if all(o.get(k) != v for o in others)), "")
    return f"Add `{apart}` to the selector, which the pods that answer have." if apart else ""


_OWN = "leaderworkerset.sigs.k8s.io/"


def _is_scraped(service: Service) -> bool:
    """Whether its name, or those of all its ports, say that it is for metrics of every pod."""
    ports = [p.text("name") for p in service.place.each("spec", "ports")]
    of_ports = bool(ports) and all(any(w in p for w in _SCRAPED) for p in ports)
    return of_ports or any(w in service.name for w in _SCRAPED)


_SCRAPED = ("metric", "monitor", "prometheus")


def _answers(container: Container, ports: set[object]) -> bool:
    own = listens_on(container)
    names = {p.text("name") for p in container.place.each("ports") if p.number("containerPort")}
    return own is not None and bool(ports & {own, str(own), *names})


def _is_silent(template: Template, ports: set[object]) -> bool:
    """Whether none of its containers serves, and nothing keeps it from being ready."""
    if len(template.containers) != 1 or template.kind in _SERVED_ANYWHERE:
        return False
    one = template.containers[0]
    joins = one.joins_ray or (template.of_ray and template.part == "worker" and _is_rays(one))
    only_joins = joins and one.asks is None and not one.heads_ray
    hidden = one.asks is not None and one.asks.headless
    declared = {p.value.get("containerPort") for p in one.place.each("ports")
                if isinstance(p.value, dict)}  # fmt: skip
    return (only_joins or hidden) and not one.place.at("readinessProbe") and not declared & ports


_SERVED_ANYWHERE = ("RayService", "RayJob")
"""Kinds whose workers may answer, too: Ray Serve has a proxy beside each replica."""


def _is_rays(container: Container) -> bool:
    """Whether KubeRay's `ray start` is all that it runs."""
    own = container.place.at("command") or container.place.at("args")
    return not own or "KUBERAY_GEN_RAY_START_CMD" in container.script
