"""CONF029: NetworkPolicies that close the ways between the pods of a group."""

from collections.abc import Iterator

from distcheck.checks.manifest.bundle import Bundle
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.rule import rule


@rule("CONF029", level="error")
def policies_let_ranks_talk(bundle: Bundle) -> Iterator[Finding]:
    """NetworkPolicies leave open what the pods of a group need of each other, and DNS.

    What:
        The NetworkPolicies of the input close ports 32768 to 60999 between pods of a group, or
        name lookups of pods that join others by a name. Where only an `ipBlock` could leave them
        open, that is a hint: whether it holds for pods is up to the network plugin. So it is where
        a `namespaceSelector` asks for labels that the namespace may have.

    Why:
        NCCL, Gloo and Ray meet on ports that the kernel picks; opening 6379 or 29500 alone does
        not help. The group hangs when it starts.

    Fix:
        Allow all TCP ports between the pods of the group, in both directions, and UDP and TCP 53
        to the cluster's name servers.

    Fails:
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: {name: only-ray}
        spec:
          podSelector: {}
          policyTypes: [Ingress]
          ingress: [{from: [{podSelector: {}}], ports: [{port: 6379}, {port: 8000}]}]
        ---
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: vllm}
        spec:
          leaderWorkerTemplate:
            size: 2
            workerTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.11.0
                  resources: {limits: {nvidia.com/gpu: 8}}

    Passes:
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: {name: own}
        spec:
          podSelector: {}
          policyTypes: [Ingress]
          ingress: [{from: [{podSelector: {}}]}]
        ---
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: vllm}
        spec:
          leaderWorkerTemplate:
            size: 2
            workerTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.11.0
                  resources: {limits: {nvidia.com/gpu: 8, memory: 900Gi}}
                  volumeMounts: [{name: dshm, mountPath: /dev/shm}]
                volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 32Gi}}]

    Unsure:
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: {name: ray}
        spec:
          podSelector: {matchLabels: {ray.io/identifier: vllm-head}}
          policyTypes: [Ingress]
          ingress: [{ports: [{port: 6379}]}]
        ---
        apiVersion: ray.io/v1
        kind: RayCluster
        metadata: {name: vllm}
        spec:
          headGroupSpec:
            template: {spec: {containers: [{name: ray, image: "rayproject/ray:2.46.0"}]}}
          workerGroupSpecs:
          - groupName: gpu
            replicas: 2
            template:
              spec:
                containers:
                - name: ray
                  image: rayproject/ray:2.46.0
                  resources: {limits: {nvidia.com/gpu: 8}}

    Source:
        Kubernetes: Network Policies; NCCL src/misc/socket.cc (port 0). NET003 judges the live
        policies, and NET001 tries the ports.
    """
    if any(bundle.of_kind("NetworkPolicy")):
        from distcheck.checks.manifest.closed_ways import closed_ways  # noqa: PLC0415 - few have any

        yield from closed_ways(bundle)
