"""CONF038: pods on the host network that ask for names of the cluster."""

from collections.abc import Iterator

from distcheck.checks.manifest.bundle import Bundle
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template


@rule("CONF038", level="error")
def host_network_finds_names(bundle: Bundle) -> Iterator[Finding]:
    """Pods on the host network ask the cluster for its names.

    What:
        A pod with `hostNetwork: true` joins others by the name of a Service or pod of the input,
        and its `dnsPolicy` is not ClusterFirstWithHostNet.

    Why:
        With ClusterFirst, the default, such a pod asks the node's name servers, which do not know
        names of the cluster: the worker waits for a name that never resolves.

    Fix:
        Set `dnsPolicy: ClusterFirstWithHostNet`.

    Fails:
        apiVersion: v1
        kind: Service
        metadata: {name: vllm-head}
        spec: {selector: {app: head}, ports: [{port: 6379}]}
        ---
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: vllm-worker}
        spec:
          selector: {matchLabels: {app: worker}}
          template:
            metadata: {labels: {app: worker}}
            spec:
              hostNetwork: true
              containers:
              - name: worker
                image: vllm/vllm-openai:v0.11.0
                command: [ray, start, "--address=vllm-head:6379", --block]

    Passes:
        apiVersion: v1
        kind: Service
        metadata: {name: vllm-head}
        spec: {selector: {app: head}, ports: [{port: 6379}]}
        ---
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: vllm-worker}
        spec:
          selector: {matchLabels: {app: worker}}
          template:
            metadata: {labels: {app: worker}}
            spec:
              hostNetwork: true
              dnsPolicy: ClusterFirstWithHostNet
              containers:
              - name: worker
                image: vllm/vllm-openai:v0.11.0
                command: [ray, start, "--address=vllm-head:6379", --block]

    Unsure:
        apiVersion: v1
        kind: Service
        metadata: {name: vllm-head}
        spec: {selector: {app: head}, ports: [{port: 6379}]}
        ---
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: vllm-worker}
        spec:
          selector: {matchLabels: {app: worker}}
          template:
            metadata: {labels: {app: worker}}
            spec:
              hostNetwork: true
              dnsPolicy: None
              dnsConfig: {nameservers: [10.96.0.10]}
              containers:
              - name: worker
                image: vllm/vllm-openai:v0.11.0
                command: [ray, start, "--address=vllm-head:6379", --block]

    Source:
        Kubernetes: DNS for Services and Pods, "Pod's DNS Policy": on the host network ClusterFirst
        falls back to Default, the node's name servers.
    """
    for template in bundle.templates:
        policy = template.spec.at("dnsPolicy")
        if not template.host_network or policy.value not in (None, "ClusterFirst", "Default"):
            continue
        if template.spec.at("dnsConfig", "nameservers") or template.kind.startswith(_OPERATED):
            continue
        name = next((n for n in _joined(template) if _is_of_cluster(bundle, n)), None)
        if name is not None and template.serves:
            spot = (policy or template.spec.at("hostNetwork")).spot
            has = f"its dnsPolicy is {policy.value or 'ClusterFirst'}"
            says = f"{template.what} looks for {name} from the host network, and {has}"
            yield Finding(spot, says)


_OPERATED = ("Ray", "NIM")


def _joined(template: Template) -> Iterator[str]:
    for container in template.every:
        for join in container.joins:
            if join.is_read and not join.by_ip:
                yield join.host


def _is_of_cluster(bundle: Bundle, host: str) -> bool:
    """Whether a Service or a pod of the input is called so."""
    labels = set(host.split(".")[:2])
    names = {s.name for s in bundle.services} | {n for t in bundle.templates for n in t.names}
    return bool(labels & names) or ".svc" in host
