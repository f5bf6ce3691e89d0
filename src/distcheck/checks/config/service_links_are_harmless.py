"""CONF030: a Service called `vllm` beside vLLM."""

from collections.abc import Iterator

from distcheck.checks.manifest.bundle import Bundle, Service
from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.rule import rule


@rule("CONF030", level="warning")
def service_links_are_harmless(bundle: Bundle) -> Iterator[Finding]:
    """No Service that stands beside vLLM is called `vllm`.

    What:
        A Service with an address of its own is called `vllm`, in the namespace of pods that run
        vLLM, and their `enableServiceLinks` is not off.

    Why:
        Kubernetes puts VLLM_PORT=tcp://ADDRESS:PORT into each container that starts while the
        Service is there, and every executor of vLLM asks it for a port: the engine ends with
        "VLLM_PORT appears to be a URI" (before 0.9: "invalid literal for int()"). Pods that were
        made before the Service run until they start again.

    Fix:
        Call the Service something else, or set `enableServiceLinks: false` in the pods.

    Fails:
        apiVersion: v1
        kind: Service
        metadata: {name: vllm}
        spec: {selector: {app: vllm}, ports: [{port: 8000}]}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm, labels: {app: vllm}}
        spec:
          containers:
          - {name: vllm, image: "vllm/vllm-openai:v0.11.0", args: [--model, /m]}

    Passes:
        apiVersion: v1
        kind: Service
        metadata: {name: vllm}
        spec: {selector: {app: vllm}, ports: [{port: 8000}]}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm, labels: {app: vllm}}
        spec:
          enableServiceLinks: false
          containers:
          - {name: vllm, image: "vllm/vllm-openai:v0.11.0", args: [--model, /m]}

    Unsure:
        apiVersion: v1
        kind: Service
        metadata: {name: vllm}
        spec: {selector: {app: vllm}, ports: [{port: 8000}]}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: a, labels: {app: vllm}}
        spec:
          containers:
          - name: vllm
            image: r.io/ours/serve:1
            command: [/start.sh]
            resources: {limits: {nvidia.com/gpu: 1}}

    Source:
        vLLM docs, environment variables ("do not name the service as vllm"); vllm/envs.py
        (get_vllm_port) and utils (get_open_port), vllm-project/vllm#18209 and #34199.
    """
    for service in bundle.services:
        if service.name != "vllm" or service.headless or not _has_an_address(service):
            continue
        for template in bundle.templates:
            links = template.spec.at("enableServiceLinks").value is not False
            engine = next((c for c in template.containers if _is_vllm(c)), None)
            if links and engine and template.namespace == service.namespace:
                says = f"Service vllm gives {template.what} a VLLM_PORT that is an address"
                unseen = _UNREAD if engine.may_have_more else ""
                yield Finding(service.place.at("metadata", "name").spot, says, unseen=unseen)
                break


_UNREAD = "whether a Secret or a ConfigMap that is not here sets VLLM_PORT"


def _has_an_address(service: Service) -> bool:
    """Whether pods are told of it: a name for another one has no address of its own."""
    spec = service.place.at("spec")
    return bool(spec.at("ports")) and spec.text("type") != "ExternalName"


def _is_vllm(container: Container) -> bool:
    vllm = container.asks is not None and container.asks.engine == "vllm"
    told = container.variable("VLLM_PORT") is not None or "VLLM_PORT" in container.script
    return vllm and not told
