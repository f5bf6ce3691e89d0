"""CONF046: NCCL settings with a value that NCCL does not read."""

from collections.abc import Iterator

from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template
from distcheck.pattern import pattern

_NAMES = (
    "IB_DISABLE SHM_DISABLE P2P_DISABLE IB_GID_INDEX IB_TC IB_SL IB_TIMEOUT IB_RETRY_CNT"
    " IB_QPS_PER_CONNECTION IB_SPLIT_DATA_ON_QPS IB_PCI_RELAXED_ORDERING IB_ADAPTIVE_ROUTING"
    " IB_AR_THRESHOLD IB_MERGE_NICS NVLS_ENABLE CUMEM_ENABLE CUMEM_HOST_ENABLE DMABUF_ENABLE"
    " NET_GDR_READ NET_SHARED_BUFFERS CROSS_NIC MIN_NCHANNELS MAX_NCHANNELS NTHREADS BUFFSIZE"
    " SOCKET_NTHREADS NSOCKS_PERTHREAD MNNVL_ENABLE IGNORE_CPU_AFFINITY"
    " COLLNET_ENABLE GRAPH_MIXING_SUPPORT"
)
_NUMBERS = frozenset(f"NCCL_{name}" for name in _NAMES.split())
_KNOWN = (
    "INIT COLL P2P SHM NET GRAPH TUNING ENV ALLOC ALLOC_HOST CALL PROXY NVLS BOOTSTRAP REG PROFILE"
    " RAS DESTROY ALL"
)
_WRONG = "INFO WARN TRACE DEBUG VERSION NONE NETWORK SOCKET IB RDMA TOPO TOPOLOGY COLLECTIVE"
_SUBSYSTEMS, _NO_SUBSYSTEMS = frozenset(_KNOWN.split()), frozenset(_WRONG.split())
_LEVELS = frozenset({"VERSION", "WARN", "INFO", "ABORT", "TRACE"})
_DISTANCES = frozenset({"LOC", "NVL", "NVB", "C2C", "PIX", "PXB", "P2C", "PXN", "PHB", "SYS"})
_NUMBER = pattern(r"\s*[+-]?(?:0[xX][0-9a-fA-F]+|\d+)\s*\Z")


@rule("CONF046", level="warning")
def nccl_value_is_read(template: Template) -> Iterator[Finding]:
    """NCCL's settings have values that NCCL reads.

    What:
        A setting that is a number holds a word (`NCCL_IB_DISABLE=true`); or NCCL does not know the
        level of NCCL_DEBUG, the subsystem of NCCL_DEBUG_SUBSYS, the network of NCCL_NET, or the
        distance of NCCL_P2P_LEVEL.

    Why:
        Where NCCL wants a number it takes a word for 0: `NCCL_NVLS_ENABLE=true` switches NVLS
        off. A level or distance that it does not know, or one in small letters, changes nothing;
        with a network that it does not know NCCL ends with an error.

    Fix:
        Write 1 or 0 for on and off, distances in capitals; NCCL_DEBUG is VERSION, WARN, INFO or
        TRACE.

    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            env: [{name: NCCL_IB_DISABLE, value: "true"}]
            resources: {limits: {nvidia.com/gpu: 1}}

    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            env: [{name: NCCL_IB_DISABLE, value: "1"}]
            resources: {limits: {nvidia.com/gpu: 1}}

    Unsure:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            env: [{name: NCCL_IB_DISABLE, value: "${IB_OFF}"}]
            resources: {limits: {nvidia.com/gpu: 1}}

    Source:
        NCCL src/misc/param.cc (strtoll), src/debug.cc, src/graph/paths.cc.
    """
    for container in template.containers:
        for variable in container.named("NCCL_"):
            value = variable.value
            if variable.given or variable.source or value is None or "$" in value:
                continue
            spot = variable.place.at("value").spot
            if wrong := _wrong(variable.name, value.strip()):
                says = f"{variable.name}={value}: NCCL reads {wrong}"
                yield Finding(spot, says, _fix(variable.name, value))
            elif variable.name == "NCCL_DEBUG_SUBSYS" and (strange := _strange(value)):
                says = f"{variable.name}={value}: NCCL has no subsystem {strange}"
                newer = "" if strange in _NO_SUBSYSTEMS else "whether a newer NCCL has it"
                yield Finding(spot, says, _SUBSYSTEM_FIX, unseen=newer)
        yield from _by_script(container)


_SUBSYSTEM_FIX = (
    "Write INIT,NET,ENV: a list of subsystems without spaces, `^` before it for all others."
)


def _strange(value: str) -> str:
    """The first word that is no subsystem; `^` leaves the listed ones out."""
    words = value.strip().removeprefix("^").upper().split(",")
    return next((w for w in words if w and w not in _SUBSYSTEMS and "$" not in w), "")


def _by_script(container: Container) -> Iterator[Finding]:
    """What a script sets for its commands."""
    set_there = {n: v for c in container.commands for n, v in c.variables.items()}
    for name, value in set_there.items():
        wrong = _wrong(name, value.strip()) if name.startswith("NCCL_") else ""
        if wrong and "$" not in value and "`" not in value:
            says = f"{name}={value}: NCCL reads {wrong}"
            yield Finding(container.spot_of(f"{name}={value}", name), says, _fix(name, value))


def _fix(name: str, value: str) -> str:
    """What to write for it."""
    if name == "NCCL_NET":
        known = "Socket" if value.lower() in ("tcp", "ethernet", "eth") else "IB"
        return f"Write {known}, or leave it out: NCCL chooses the fastest."
    if name == "NCCL_DEBUG":
        return "Write INFO; VERSION, WARN and TRACE are the others."
    if name.endswith("_LEVEL"):
        near = value.strip().upper()
        return f"Write {near}." if near in _DISTANCES else "Write LOC, PIX, PXB, PHB or SYS."
    switch = {"true": "1", "yes": "1", "on": "1", "false": "0", "no": "0", "off": "0"}
    meant = switch.get(value.strip().lower())
    return f'Write "{meant}".' if meant else "Write a number."


_NO_NETWORKS = frozenset(
    {"rdma", "roce", "rocev2", "infiniband", "ethernet", "eth", "tcp", "mlx5", "verbs", "0", "1"}
)


def _wrong(name: str, value: str) -> str:
    if name in _NUMBERS and not _NUMBER.match(value) and value:
        return "a number here, and takes a word for 0"
    if name == "NCCL_NET" and value.lower() in _NO_NETWORKS:
        return "IB, Socket or a plugin's name here, and finds no network of this name"
    if name == "NCCL_DEBUG" and value and value.upper() not in _LEVELS:
        return "VERSION, WARN, INFO or TRACE here, and ignores this"
    if name in ("NCCL_P2P_LEVEL", "NCCL_NET_GDR_LEVEL"):
        known = not value or value in _DISTANCES or value[0].isdigit()
        return "" if known else "LOC, PIX, PXB, PHB or SYS here, and ignores this"
    return ""
