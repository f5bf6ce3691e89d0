"""CONF119: workers of an MPIJob that the launcher cannot reach."""

from collections.abc import Iterator

from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template
from distcheck.pattern import pattern

_IDLE = frozenset({"sleep", "tail", "echo", "true", ":", "cat", "exit", "while", "date"})


@rule("CONF119", level="error", others=("hint",))
def mpi_workers_listen(template: Template) -> Iterator[Finding]:
    """Workers of an MPIJob run sshd.

    What:
        A worker of an MPIJob (v2beta1) has a command of its own that only waits, such as
        `sleep infinity`; or its launcher runs as another user than root, and `sshAuthMountPath` is
        not set. Hints: sshd of workers with `hostNetwork: true`, and nothing names a port; a
        launcher that starts mpirun at once and has one try (`backoffLimit: 0`); workers of NGC's
        PyTorch image, which has no sshd.

    Why:
        The launcher starts the ranks over SSH. The operator starts sshd in workers that have
        neither command nor args: with one of their own nothing listens at port 22. It mounts the
        keys at /root/.ssh unless it is told otherwise, and SSH looks in the user's own home. At
        port 22 of a node its own sshd answers. The launcher is made together with the workers:
        where their images are still pulled, their names are not there yet.

    Fix:
        Take command and args out, or run `/usr/sbin/sshd -De`, with `-p 2222` in the node's
        network, and `mpirun --mca plm_rsh_args "-p 2222"`. Set
        `launcherCreationPolicy: WaitForWorkersReady`.

    Fails:
        apiVersion: kubeflow.org/v2beta1
        kind: MPIJob
        metadata: {name: trtllm}
        spec:
          slotsPerWorker: 8
          mpiReplicaSpecs:
            Launcher:
              template:
                spec:
                  containers:
                  - name: launcher
                    image: nvcr.io/nvidia/tensorrt-llm/release:1.0.0
                    command: [mpirun, -np, "16", trtllm-llmapi-launch, trtllm-serve, /m]
            Worker:
              replicas: 2
              template:
                spec:
                  containers:
                  - name: worker
                    image: nvcr.io/nvidia/tensorrt-llm/release:1.0.0
                    command: [sleep, infinity]
                    resources: {limits: {nvidia.com/gpu: 8}}

    Passes:
        apiVersion: kubeflow.org/v2beta1
        kind: MPIJob
        metadata: {name: trtllm}
        spec:
          slotsPerWorker: 8
          mpiReplicaSpecs:
            Launcher:
              template:
                spec:
                  containers:
                  - name: launcher
                    image: nvcr.io/nvidia/tensorrt-llm/release:1.0.0
                    command: [mpirun, -np, "16", trtllm-llmapi-launch, trtllm-serve, /m]
            Worker:
              replicas: 2
              template:
                spec:
                  containers:
                  - name: worker
                    image: nvcr.io/nvidia/tensorrt-llm/release:1.0.0
                    resources: {limits: {nvidia.com/gpu: 8, memory: 400Gi}}
                    volumeMounts: [{name: dshm, mountPath: /dev/shm}]
                  volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]

    Unsure:
        apiVersion: kubeflow.org/v2beta1
        kind: MPIJob
        metadata: {name: trtllm}
        spec:
          slotsPerWorker: 8
          mpiReplicaSpecs:
            Launcher:
              template:
                spec:
                  containers:
                  - name: launcher
                    image: nvcr.io/nvidia/tensorrt-llm/release:1.0.0
                    command: [mpirun, -np, "16", trtllm-llmapi-launch, trtllm-serve, /m]
            Worker:
              replicas: 2
              template:
                spec:
                  containers:
                  - name: worker
                    image: nvcr.io/nvidia/tensorrt-llm/release:1.0.0
                    command: [/start-worker.sh]
                    resources: {limits: {nvidia.com/gpu: 8}}

    Source:
        Kubeflow MPI operator pkg/controller/mpi_job_controller.go (newWorker),
        pkg/apis/kubeflow/v2beta1/default.go (sshAuthMountPath), types.go
        (LauncherCreationPolicy), examples/v2beta1/pi/pi.yaml; kubeflow/mpi-operator#593, #386;
        NVIDIA/cloudai#720.
    """
    version = template.owner_place.text("apiVersion")
    if template.kind != "MPIJob" or version != "kubeflow.org/v2beta1" or not template.containers:
        return
    first = template.containers[0]
    if template.part == "worker":
        yield from _at_the_nodes_port(template, first)
        yield from _only_try(template)
        yield from _without_sshd(first)
    if template.gpus and _only_waits(first):
        says = f"worker container {first.name} only waits: nothing listens for the launcher's SSH"
        yield Finding(first.spot_of(), says)
    elif template.part == "leader" and not template.owner_place.at("spec", "sshAuthMountPath"):
        users = (first.place, template.spec)
        places = [p.at("securityContext", "runAsUser") for p in users]
        user = next((p for p in places if p.number() is not None), None)
        if user is not None and user.number():
            says = f"the launcher runs as user {user.value}, and the operator mounts its SSH keys"
            fix = "Set `sshAuthMountPath: /home/USER/.ssh`, where the image's user has its home."
            yield Finding(user.spot, f"{says} at /root/.ssh, which root alone may read", fix)


def _at_the_nodes_port(template: Template, worker: Container) -> Iterator[Finding]:
    """sshd of a worker where the node's own one is, and no port is named to it or to mpirun."""
    launcher = template.owner_place.at(*_LAUNCHER, "template").value
    moved = "plm_rsh" in f"{launcher} {template.place.value}" or _PORT.search(worker.script)
    if template.host_network and not moved and (not worker.script or "sshd" in worker.script):
        says = f"sshd of {worker.name} is at port 22 of its node, where the node's own may be"
        own = template.spec.at("hostNetwork")
        yield Finding(own.key, says, unseen="the port in the image's sshd_config")


_LAUNCHER = ("spec", "mpiReplicaSpecs", "Launcher")
_PORT = pattern(r"-\w*p\s*\d|\b[Pp]ort\b")


def _without_sshd(worker: Container) -> Iterator[Finding]:
    """An image that is known to have none, and nothing that installs it."""
    if _NGC.match(worker.image) and "install" not in worker.script:
        says = f"sshd of {worker.name}: {worker.image} has none"
        fix = "Build an image with openssh-server."
        spot = worker.place.at("image").spot
        yield Finding(spot, says, fix, unseen="whether this release of the image has it")


_NGC = pattern(r"nvcr\.io/nvidia/pytorch:")


def _only_try(template: Template) -> Iterator[Finding]:
    """mpirun before the workers are there, and no second try."""
    spec, pod = (template.owner_place.at(*p) for p in (("spec",), (*_LAUNCHER, "template", "spec")))
    limit = spec.at("runPolicy", "backoffLimit")
    waits = spec.text("launcherCreationPolicy") == _READY or pod.at("initContainers")
    first = pod.at("containers", 0)
    told = " ".join(str(w.value) for n in ("command", "args") for w in first.each(n))
    if limit.value == 0 and not waits and _MPIRUN.search(told) and not _WAITS.search(told):
        says = "the launcher starts together with the workers, and has one try to reach them"
        fix = f"Write `launcherCreationPolicy: {_READY}`, or a higher backoffLimit."
        yield Finding(limit.key, says, fix, level="hint")


_READY = "WaitForWorkersReady"
_MPIRUN = pattern(r"(?:^|[\s/;&])mpi(?:run|exec)\s")
_WAITS = pattern(r"wait|(?:^|[\s;&/])(?:sleep|until|while|for|nslookup|getent|ssh|nc)\s")


def _only_waits(container: Container) -> bool:
    told = container.script
    firsts = {c.words[0].rpartition("/")[2] for c in container.commands if c.words}
    return bool(told) and bool(firsts) and "ssh" not in told and firsts <= _IDLE
