"""A head and its workers in two namespaces: short names stay in the pod's own."""

from tests.lint.judge import judged

from distcheck.checks.manifest.report import LintReport

HEAD = """
apiVersion: v1
kind: Service
metadata: {name: head, namespace: llm}
spec: {clusterIP: None, selector: {app: head}, ports: [{port: 6379}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: head, namespace: llm}
spec:
  selector: {matchLabels: {app: head}}
  template:
    metadata: {labels: {app: head}}
    spec:
      containers:
      - name: vllm
        image: vllm/vllm-openai:v0.10.2
        command: [bash, -c, "ray start --head --port=6379; vllm serve /m -tp 16"]
        resources: {limits: {nvidia.com/gpu: 8}}
"""
WORKER = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: worker, namespace: llm-prod}
spec:
  selector: {matchLabels: {app: worker}}
  template:
    metadata: {labels: {app: worker}}
    spec:
      containers:
      - name: vllm
        image: vllm/vllm-openai:v0.10.2
        command: [ray, start, "--address=ADDRESS:6379", --block]
        resources: {limits: {nvidia.com/gpu: 8}}
"""


def both(address: str, rule: str) -> LintReport:
    return judged(HEAD, WORKER.replace("ADDRESS", address), only=rule)


def test_a_short_name_of_another_namespace_is_told_with_both() -> None:
    (one,) = both("head", "CONF020").findings
    assert one.says.startswith(
        "Service head is in namespace llm, and Deployment worker in llm-prod"
    )
    assert one.unseen == "Services of namespace llm-prod that are not in the input"
    assert one.fix == "Join head.llm, or put both into one namespace."


def test_a_name_with_its_namespace_leads_there() -> None:
    for address in ("head.llm", "head.llm.svc.cluster.local"):
        assert both(address, "CONF020").findings == ()


def test_who_joins_from_another_namespace_is_not_passed_over() -> None:
    (short,) = both("head", "CONF001").findings
    joins = "Deployment worker in namespace llm-prod joins"
    assert short.unseen == f"nothing in namespace llm joins it, and {joins} a head of its own"


def test_who_joins_by_the_full_name_is_counted() -> None:
    for address in ("head.llm", "head.llm.svc.cluster.local"):
        report = both(address, "CONF001")
        assert report.findings == ()
        assert len(report.groups) == 1
        assert "2 x 8" in report.groups[0] or "16" in report.groups[0]
    three = WORKER.replace("selector", "replicas: 2\n  selector").replace("ADDRESS", "head.llm")
    (one,) = judged(HEAD, three, only="CONF001").findings
    assert (one.level, one.unseen) == ("warning", "")
    assert one.says.startswith("TP=16 uses 16 GPUs, and Deployment head has 24")


def test_a_service_that_leads_to_others_too_proves_no_group() -> None:
    second = HEAD.partition("---")[2].replace("name: head", "name: other")
    worker = WORKER.replace("ADDRESS", "head.llm")
    findings = judged(HEAD, second, worker, only="CONF001").findings
    assert [f.level for f in findings] == ["hint"] * len(findings)


CLAIM = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: models, namespace: llm}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Ti}}}
"""
POLICY = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p, namespace: llm}
spec:
  podSelector: {}
  policyTypes: [Ingress]
  ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: llm-prod}}}]}]
"""


def test_claims_and_policies_of_one_namespace_do_not_reach_into_the_other() -> None:
    mounted = "\n      volumes: [{name: m, persistentVolumeClaim: {claimName: models}}]\n"
    worker = WORKER.replace("ADDRESS", "head.llm")
    texts = (HEAD + mounted, worker + mounted, CLAIM, POLICY)
    assert judged(*texts, only="CONF090").findings == ()
    assert judged(*texts, only="CONF029").findings == ()
