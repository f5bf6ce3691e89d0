"""CONF020: the name by which workers join must lead to the leader."""

from collections.abc import Iterator

from distcheck.checks.knowledge.spelling import letters_apart
from distcheck.checks.manifest.bundle import Bundle, Service
from distcheck.checks.manifest.container import Container, Joining
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.lws_names import wrong_of_lws
from distcheck.checks.manifest.mpi_words import named_hosts
from distcheck.checks.manifest.name_of_many import names_of_many
from distcheck.checks.manifest.names import PLAIN, Names
from distcheck.checks.manifest.place import Spot
from distcheck.checks.manifest.prefixed import lost_prefix
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template
from distcheck.pattern import pattern


@rule("CONF020", level="error", others=("warning",))
def join_address_resolves(bundle: Bundle) -> Iterator[Finding]:
    """The name that workers join by is one that the cluster resolves.

    What:
        A worker joins `POD.SERVICE` where the Service has no pod of that name, or where the pod's
        StatefulSet has no `serviceName`; or a name that no Service and no pod in the input has:
        where it is one of theirs without the prefix that kustomize (`namePrefix`) or a release put
        before it, a warning. Or they join by the name of a Service whose selector fits the workers
        as well as the leader. `mpirun -H` names a pod that is none. A Service that is not headless
        is a hint: CoreDNS has records for its pods all the same, kube-dns has not.
    Why:
        DNS has a record for a pod only as `<hostname>.<serviceName>`: of a StatefulSet
        `<its name>-<ordinal>`, of a Deployment none at all; it is promised only where that Service
        is headless. The worker waits for a name that never resolves. A Service's name stands for
        every pod that it selects: a worker that gets another worker's address, or its own, finds
        nothing that listens.
    Fix:
        Join the headless Service's own name, or the pod's full name as its workload makes it.
    Fails:
        apiVersion: v1
        kind: Service
        metadata: {name: vllm-head}
        spec: {clusterIP: None, selector: {app: vllm-head}, ports: [{port: 6379}]}
        ---
        apiVersion: apps/v1
        kind: StatefulSet
        metadata: {name: vllm-405b-head}
        spec:
          serviceName: vllm-head
          selector: {matchLabels: {app: vllm-head}}
          template:
            metadata: {labels: {app: vllm-head}}
            spec:
              containers:
              - name: head
                image: vllm/vllm-openai:v0.11.0
                command: [ray, start, --head, --port=6379, --block]
                resources: {limits: {nvidia.com/gpu: 8}}
        ---
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: vllm-worker}
        spec:
          selector: {matchLabels: {app: vllm-worker}}
          template:
            metadata: {labels: {app: vllm-worker}}
            spec:
              containers:
              - name: worker
                image: vllm/vllm-openai:v0.11.0
                command: [ray, start, "--address=vllm-head-0.vllm-head:6379", --block]
                resources: {limits: {nvidia.com/gpu: 8}}
        ---
        apiVersion: apps/v1
        kind: StatefulSet
        metadata: {name: prod-sglang}
        spec:
          serviceName: prod-sglang
          replicas: 2
          podManagementPolicy: Parallel
          selector: {matchLabels: {app: s}}
          template:
            metadata: {labels: {app: s}}
            spec:
              containers:
              - name: sglang
                image: lmsysorg/sglang:v0.5.3
                command: [sh, -c, "python3 -m sglang.launch_server --model-path /m --tp 16
                  --nnodes 2 --node-rank ${HOSTNAME##*-} --dist-init-addr sglang-0.sglang:20000"]
                resources: {limits: {nvidia.com/gpu: 8}}
    Passes:
        apiVersion: v1
        kind: Service
        metadata: {name: vllm-head}
        spec: {clusterIP: None, selector: {app: vllm-head}, ports: [{port: 6379}]}
        ---
        apiVersion: apps/v1
        kind: StatefulSet
        metadata: {name: vllm-head}
        spec:
          serviceName: vllm-head
          selector: {matchLabels: {app: vllm-head}}
          template:
            metadata: {labels: {app: vllm-head}}
            spec:
              containers:
              - name: head
                image: vllm/vllm-openai:v0.11.0
                command: [ray, start, --head, --port=6379, --block]
                resources: {limits: {nvidia.com/gpu: 8, memory: 400Gi}}
                volumeMounts: [{name: dshm, mountPath: /dev/shm}]
              volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]
        ---
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: vllm-worker}
        spec:
          selector: {matchLabels: {app: vllm-worker}}
          template:
            metadata: {labels: {app: vllm-worker}}
            spec:
              containers:
              - name: worker
                image: vllm/vllm-openai:v0.11.0
                command: [ray, start, "--address=vllm-head-0.vllm-head:6379", --block]
                resources: {limits: {nvidia.com/gpu: 8, memory: 400Gi}}
                volumeMounts: [{name: dshm, mountPath: /dev/shm}]
              volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]
    Unsure:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm-worker}
        spec:
          containers:
          - name: worker
            image: vllm/vllm-openai:v0.11.0
            command: [ray, start, "--address=vllm-head:6379", --block]
            resources: {limits: {nvidia.com/gpu: 8}}
    Source:
        Kubernetes: DNS for Services and Pods; StatefulSet, stable network ID. CoreDNS
        plugin/kubernetes (findServices); kubernetes/kubernetes#68352 (kube-dns). NET002 looks the
        name up in the live pod.
    """
    names: Names | None = None
    for template in bundle.templates:
        if not template.serves or template.by_operator:
            continue
        for container in template.every:
            for join in container.joins:
                names = names or Names(bundle)
                yield from _judged(names, template, join)
            for host in named_hosts(container):
                names = names or Names(bundle)
                yield from _of_mpirun(names, template, container, host)
    if names:
        yield from names_of_many(bundle, names)


def _judged(names: Names, template: Template, join: Joining) -> Iterator[Finding]:
    own = template.subdomain or template.owner
    later = own in join.host and not _NAME.fullmatch(template.owner)
    if not join.is_read or join.by_ip or later or join.host == "localhost":
        return  # each pod is localhost itself: CONF034
    labels = join.labels
    if odd := _not_of_cluster(join.host):
        yield Finding(join.spot, *odd)
    elif elsewhere := _other_namespace(names, template, labels):
        fix = f"Write the name of {template.namespace}, or leave the namespace out."
        yield Finding(join.spot, elsewhere, fix)
    elif wrong := wrong_of_lws(names, template, join):
        yield Finding(join.spot, wrong, "Join $(LWS_LEADER_ADDRESS), which lws sets in each pod.")
    elif prefix := _prefix(names, template, labels):
        real = ".".join((*(prefix + label for label in labels[:2]), *labels[2:]))
        says = f"nothing in the input is called {join.host}: with its prefix {prefix} it is {real}"
        fix = f"Join {real}: prefixes are not put into words of commands."
        yield Finding(join.spot, says, fix, level="warning")
    elif len(labels) == 1:
        yield from _one(names, template, join, labels[0])
    else:
        yield from _two(names, template, join, labels)


_NAME = pattern(r"[a-z0-9.-]*")
"""Any other name of an object is a place that is filled in before it is applied."""


def _of_mpirun(
    names: Names, template: Template, container: Container, host: str
) -> Iterator[Finding]:
    """A name behind `mpirun -H`; those without a Service may stand in a file of hosts."""
    join = Joining("mpirun", host, None, True, container.spot_of(host))
    if template.kind == "MPIJob":
        if called := _not_of_job(names, template, join.labels[0]):
            says = f"MPIJob {template.owner} has no worker {join.labels[0]}: {called}"
            fix = "Leave -H out: the operator's own file of hosts names the workers."
            yield Finding(join.spot, says, fix)
    elif len(join.labels) > 1 and not template.spec.at("dnsConfig"):
        yield from _judged(names, template, join)


def _not_of_job(names: Names, template: Template, name: str) -> str:
    """What an MPIJob's workers are called, where no worker can have this name."""
    found = _WORKER.fullmatch(name)
    if found is None or name in names.pods:
        return ""
    if found[1] != template.owner:
        return f"its workers are called {template.owner}-worker-0 and so on"
    workers = [t for t in names.owned[template.owner] if t.kind == "MPIJob" and t.part == "worker"]
    many = workers[0].pods if len(workers) == 1 else None
    if not many or int(found[2]) < many:
        return ""
    return f"of its {many} the last is {template.owner}-worker-{many - 1}"


_WORKER = pattern(r"(.+)-worker-(\d{1,9})")


def _two(names: Names, template: Template, join: Joining, labels: list[str]) -> Iterator[Finding]:
    """`POD.SERVICE`, or a Service with its namespace."""
    if by_pod := names.services(template, labels[1]):
        yield from _of_pod(names, template, join, by_pod[0])
    elif names.made(labels[0]) or names.of(labels[1], labels[0]):
        return
    elif named := [t for t in names.pods.get(labels[0], ()) if t.kind in PLAIN]:
        if own := [t for t in named if t.subdomain == labels[1]]:
            yield from _without_service(names, own[0], join)
            return
        says = f"pods of {named[0].what} are known as {labels[0]}.{named[0].subdomain or '(none)'}"
        unseen = "" if _is_bare(template, named[0], labels) else _unseen(names, template, named)
        fix = _full(named[0]) or "Set `serviceName` to a headless Service that selects the pods."
        yield Finding(join.spot, says, fix, unseen=unseen)
    elif not names.services(template, labels[0]):
        yield Finding(join.spot, f"nothing in the input is called {join.host}", unseen=_ELSEWHERE)


def _without_service(names: Names, named: Template, join: Joining) -> Iterator[Finding]:
    """The pod's own name, and no Service gives it; of a StatefulSet's own CONF027 tells."""
    if names.has_services and named.kind != "StatefulSet":
        says = f"no Service {named.subdomain} is in the input, which gives {join.host} its record"
        fix = f"Add a headless Service {named.subdomain} that selects the pods."
        yield Finding(join.spot, says, fix, unseen=_ELSEWHERE)


def _prefix(names: Names, template: Template, labels: list[str]) -> str:
    """What kustomize or a release put before the names of objects, and not into arguments."""
    service = labels[min(len(labels), _WITH_SPACE) - 1]
    if any(names.services(template, label) or names.of_owner_or_pod(label) for label in labels[:2]):
        return ""
    return lost_prefix(
        template.owner,
        service,
        lambda n: n == template.subdomain or bool(names.services(template, n)),
    )


def _not_of_cluster(host: str) -> tuple[str, str] | None:
    """Why a long name is none of the cluster's, and how it is written."""
    name = host.lower().removesuffix(".")
    domain = name.partition(".svc.")[2]
    near = domain and domain != _DOMAIN and letters_apart(domain, _DOMAIN, 2) <= _NEAR
    if near and domain.count(".") == 1:
        return f"{host} ends in {domain}, not in {_DOMAIN}", f"Write .svc.{_DOMAIN}."
    if name.endswith(f".{_DOMAIN}") and not domain and f".pod.{_DOMAIN}" not in name:
        says = f"{host} lacks `svc`: names of Services end in .svc.{_DOMAIN}"
        return says, f"Write {name.removesuffix(_DOMAIN)}svc.{_DOMAIN}."
    return None


_DOMAIN, _NEAR = "cluster.local", 2
_ELSEWHERE = "Services and pods that are not in the input"


def _other_namespace(names: Names, template: Template, labels: list[str]) -> str:
    """Why a name with a namespace leads past the Service, or the pods, that it means."""
    own = template.namespace
    if not own or len(labels) < _WITH_SPACE or labels[-1] == own:
        return ""
    if names.of(own, labels[-1]) or labels[-1] in names.spaces or not names.of(own, labels[-2]):
        return ""
    return f"{labels[-2]} is in namespace {own}, and the name ends in {labels[-1]}"


_WITH_SPACE = 2
_OF_COREDNS = "which name server the cluster has (CoreDNS answers for pods of any Service)"
_HEADLESS = "Set `clusterIP: None` in the Service; one that is there must be deleted first."


def _unseen(names: Names, template: Template, named: list[Template]) -> str:
    """Nothing, where the Service by which the pods are named is in the input."""
    known = any(names.services(template, t.subdomain) for t in named)
    return "" if known else "Services that are not in the input"


def _is_bare(own: Template, named: Template, labels: list[str]) -> bool:
    """Whether it can only be meant for a pod, and no Service gives this one a name.

    The second of two labels may be a namespace, too.
    """
    meant = len(labels) > _WITH_SPACE or (labels[1] == named.owner and labels[1] != own.namespace)
    return named.kind == "StatefulSet" and not named.subdomain and meant


def _full(meant: Template) -> str:
    """The full name of its first pod, where it has one."""
    if meant.names and meant.subdomain:
        return f"Join {meant.names[0]}.{meant.subdomain}."
    return ""


def _one(names: Names, template: Template, join: Joining, name: str) -> Iterator[Finding]:
    """A bare name is a Service's."""
    if names.services(template, name):
        return
    own = template.namespace
    if space := names.elsewhere(own, name):
        says = f"Service {name} is in namespace {space}, and {template.what} in {own}: a short name"
        says = f"{says} is looked up in the pod's own namespace"
        fix = f"Join {name}.{space}, or put both into one namespace."
        unseen = f"Services of namespace {own} that are not in the input"
        yield Finding(join.spot, says, fix, unseen=unseen)
        return
    made = names.of_owner_or_pod(name)
    if made and not names.made(name):
        says = f"{name} is the name of {made[0].what}, and no Service is called so"
        yield Finding(join.spot, says, _full(made[0]), unseen=_unseen(names, template, made))
    elif not made:
        fix = f"Add Service {name}, or join the one that there is."
        yield Finding(join.spot, f"no Service {name} is in the input", fix, unseen=_ELSEWHERE)


def _one_name(names: Names, named: Template, pod: str, service: Service) -> str:
    """Which of the two names to change: the headless Service is the one that is meant."""
    own = names.services(named, named.subdomain) if named.subdomain else []
    if not service.headless and any(s.headless and named in s.selects for s in own):
        return f"Join {pod}.{named.subdomain}."
    field = "serviceName" if named.kind == "StatefulSet" else "subdomain"
    return f"Set `{field}: {service.name}`."


def _said(named: Template) -> tuple[Spot, ...]:
    """Where the pods' subdomain is told, else what makes them."""
    told = named.owner_place.at("spec", "serviceName") or named.spec.at("subdomain")
    return (told.spot if told else named.spot,)


def _is_plain(service: Service) -> bool:
    """Whether its address is given, or left to the cluster; not where a tool puts a word there."""
    ip = service.place.at("spec").text("clusterIP")
    return not ip or ip[0].isdigit() or ":" in ip


def _of_pod(names: Names, template: Template, join: Joining, service: Service) -> Iterator[Finding]:
    """`POD.SERVICE`: the Service's pods must have that hostname, and it as their subdomain."""
    pod = join.labels[0]
    if pod in {service.namespace, template.namespace} or not service.selects:
        return
    named = [t for t in service.selects if t.may_be_called(pod)]
    fits = [t for t in named if t.subdomain == service.name]
    plain = fits and all(t.kind in PLAIN for t in service.selects)
    if plain and not service.headless and _is_plain(service):
        says = f"{service.what} is not headless: kube-dns has no record of {join.host}"
        at = (service.place.at("spec").key,)
        yield Finding(join.spot, says, _HEADLESS, unseen=_OF_COREDNS, also=at)
    if fits or any(t.kind not in PLAIN for t in service.selects):
        return
    there = [n for t in service.selects for n in t.names]
    others = [t.what for t in service.selects]
    if named:
        says = (
            f"{named[0].what} has serviceName {named[0].subdomain or '(none)'}, not {service.name}:"
            f" {join.host} has no record"
        )
        yield Finding(
            join.spot, says, _one_name(names, named[0], pod, service), also=_said(named[0])
        )
        return
    pods = f"pods of {others[0]} have no names of their own"
    if there:
        pods = f"its pods are called {', '.join(there[:3])}"
    says = f"{service.what} has no pod {pod}: {pods}"
    fix = f"Join {service.name}" + (f", or {there[0]}.{service.name}." if there else ".")
    bare = all(t.kind == "Pod" for t in service.selects)
    unseen = "bare pods that are not in the input" if bare else ""
    yield Finding(join.spot, says, fix, unseen=unseen, also=(service.selects[0].spot,))
