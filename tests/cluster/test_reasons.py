"""Words of scheduler, kubelet and engines mean one cause each, and no more than they say."""

import pytest

from distcheck.agent.cluster.troubles.reasons import (
    of_end,
    of_event,
    of_scheduler,
    of_waiting,
    refusal,
)

REFUSED = [
    "huggingface_hub.errors.GatedRepoError: 403 Client Error. (Request ID: Root=1-6)",
    "Access to model meta-llama/Llama-3.1-70B is restricted. You must have access to it",
    "requests.exceptions.HTTPError: 401 Client Error: Unauthorized for url: https://huggingface.co/x",
    "OSError: You are trying to access a gated repo.",
    "nim_sdk: download failed: https://api.ngc.nvidia.com/v2/models answered 403 Forbidden",
    "ERROR NGC_API_KEY is not set",
]
NOT_REFUSED = [
    'INFO: 10.0.0.7:40001 - "GET /v1/models HTTP/1.1" 401 Unauthorized',
    'INFO: 10.0.0.7:40001 - "POST /v1/huggingface HTTP/1.1" 403 Forbidden',
    "step 401 of 403 finished",
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 403.00 MiB",
    "HF_TOKEN is used",
]


@pytest.mark.parametrize("line", REFUSED)
def test_a_refused_download_is_known_by_its_line(line: str) -> None:
    assert refusal(f"Traceback (most recent call last):\n{line}\nexiting") == line


@pytest.mark.parametrize("line", NOT_REFUSED)
def test_a_number_or_an_answered_request_is_no_refused_download(line: str) -> None:
    assert refusal(line) == ""


@pytest.mark.parametrize(("message", "cause"), [
    ("0/4 nodes are available: 4 Insufficient nvidia.com/gpu.", "pod_unschedulable"),
    ("0/4 nodes are available: 4 node(s) had untolerated taint {gpu: }", "pod_unschedulable"),
    ('0/4 nodes are available: persistentvolumeclaim "m" not found.', "volume_not_bound"),
    ("0/4 nodes are available: 1 node(s) had volume node affinity conflict", "volume_not_bound"),
])  # fmt: skip
def test_the_schedulers_words_name_a_claim_or_a_lack(message: str, cause: str) -> None:
    assert of_scheduler(message) == cause


@pytest.mark.parametrize(("reason", "message", "cause"), [
    ("ErrImagePull", "", "image_not_pulled"),
    ("CreateContainerConfigError", "couldn't find key TOKEN in Secret llm/hf", "config_missing"),
    ("CreateContainerError", 'configmap "c" not found', "config_missing"),
    ("CreateContainerError", "failed to generate spec", "container_not_started"),
    ("PodInitializing", "", None),
])  # fmt: skip
def test_a_waiting_container_fails_only_by_a_reason_that_stays(
    reason: str, message: str, cause: str | None
) -> None:
    assert of_waiting(reason, message) == cause


def test_a_warning_that_says_nothing_of_creation_is_no_cause() -> None:
    assert of_event("Unhealthy", "Readiness probe failed") is None


@pytest.mark.parametrize(("reason", "cause"), [
    ("Evicted", "evicted"), ("Preempting", "evicted"), ("OutOfnvidia.com/gpu", "admission_refused"),
    ("UnexpectedAdmissionError", "admission_refused"), ("Terminated", "node_lost"),
    ("DeadlineExceeded", "pod_failed"),
])  # fmt: skip
def test_a_final_pods_reason_has_its_cause(reason: str, cause: str) -> None:
    assert of_end(reason) == cause
