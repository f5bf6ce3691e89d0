"""What leaves a node: nothing that a flag or a name outside the allow-list carries."""

import time

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distcheck.agent.logs.distil import Distiller
from distcheck.agent.probes.model import shown
from distcheck.agent.redact import (
    FLAGS,
    HIDDEN,
    allowed_environ,
    is_wanted,
    one_line,
    redacted,
    scrubbed,
    without_secrets,
)

SECRET = "s3cr3t-value"
WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)


@pytest.mark.parametrize(
    "argv",
    [
        ("vllm", "serve", "m", "--api-key", SECRET),
        ("vllm", "serve", "m", "--api-key", "one", SECRET),
        ("vllm", "serve", "m", f"--api-key={SECRET}"),
        ("vllm", "serve", "m", f"--api_key={SECRET}"),
        ("vllm", "serve", "m", "--hf-token", SECRET, "--port", "8000"),
        ("vllm", "serve", "--api-key", SECRET, "m"),
        ("raylet", f"--redis-password={SECRET}"),
        ("raylet", f"--redis_password={SECRET}"),
        ("ray", "start", "--block", f"--address=redis://:{SECRET}@10.0.0.2:6379"),
        ("ray", "start", f"TOKEN={SECRET}"),
        ("vllm", "serve", f"s3://user:{SECRET}@bucket/model"),
        ("vllm", "serve", f"https://host/model?sig={SECRET}"),
        ("bash", "-c", f"HF_TOKEN={SECRET} vllm serve m"),
        ("bash", "-lc", f"HF_TOKEN={SECRET} vllm serve m"),
        ("mpirun", "-np", "16", "env", f"HF_TOKEN={SECRET}", "trtllm-serve"),
        ("mpirun", "-x", f"HF_TOKEN={SECRET}", "trtllm-serve"),
        ("mpirun", f"-xHF_TOKEN={SECRET}", "trtllm-serve"),
        ("vllm", "serve", "m", "--api-key", f"-{SECRET}"),
        (f"vllm serve m --api-key {SECRET}",),
        ("vllm", "serve", "m", f"--api-key {SECRET}"),
        ("vllm", "serve", "m", f"--model={SECRET} {SECRET}"),
        ("vllm", "serve", "m", "--api-key", f"--{SECRET}"),
        ("vllm", "serve", "m", "--hf-token", f"--{SECRET}", SECRET),
        ("vllm", "serve", "m", "--api-key=A", SECRET),
        ("vllm", "serve", "m", f'--speculative-model={{"api_key":"{SECRET}"}}'),
        ("vllm", "serve", "m", "--speculative-model", f'{{"api_key":"{SECRET}"}}'),
        ("vllm", "serve", "--model", f"s3:user:{SECRET}@bucket"),
        ("vllm", "serve", "--model", f"user:{SECRET}@bucket"),
    ],
)
def test_a_secret_does_not_leave(argv: tuple[str, ...]) -> None:
    assert SECRET not in " ".join(redacted(argv))


@settings(deadline=None)
@given(WORDS.filter(lambda v: not v.startswith("-")), st.text("abcdefghij-", min_size=2))
def test_no_value_of_a_flag_outside_the_allow_list_leaves(value: str, name: str) -> None:
    flag = f"--x{name}"
    assert flag[2:] not in FLAGS
    assert redacted(("vllm", flag, value)) == ("vllm", flag, HIDDEN)
    assert redacted(("vllm", f"{flag}={value}")) == ("vllm", f"{flag}={HIDDEN}")


@settings(deadline=None)
@given(st.lists(WORDS))
def test_any_command_line_keeps_its_number_of_words(argv: list[str]) -> None:
    assert len(redacted(argv)) == len(argv)


def test_what_a_check_needs_is_shown() -> None:
    argv = ("vllm", "serve", "org/m", "-tp", "16", "--pipeline_parallel_size=2", "--port", "8000")
    assert redacted(argv) == argv


def test_a_flag_after_a_hidden_one_is_shown_again() -> None:
    argv = ("ray", "start", "--password", SECRET, "--num-gpus", "8")
    assert redacted(argv) == ("ray", "start", "--password", HIDDEN, "--num-gpus", "8")


@pytest.mark.parametrize(
    "name", ["VLLM_API_KEY", "VLLM_api_key", "NIM_TOKEN", "NIM_PASSWD", "LWS_SECRET", "NIM_AUTH"]
)
def test_a_variable_that_smells_of_a_secret_does_not_leave(name: str) -> None:
    assert allowed_environ({name: SECRET}) == {}


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "HOME"]), WORDS))
def test_a_variable_outside_the_allow_list_does_not_leave(environ: dict[str, str]) -> None:
    assert allowed_environ(environ) == {}


def test_a_login_within_an_allowed_variable_is_hidden() -> None:
    shown = allowed_environ({"RAY_ADDRESS": f"ray://user:{SECRET}@10.0.0.2:10001"})
    assert shown == {"RAY_ADDRESS": f"ray://{HIDDEN}@10.0.0.2:10001"}


def test_settings_of_the_transport_are_shown() -> None:
    environ = {"NCCL_IB_HCA": "mlx5_1", "VLLM_HOST_IP": "10.0.0.2", "WORLD_SIZE": "16"}
    assert allowed_environ(environ) == environ


@pytest.mark.parametrize(
    ("argv", "wanted"),
    [
        (("/usr/bin/python3", "/opt/bin/vllm", "serve"), True),
        (("python3", "-m", "vllm.entrypoints.openai.api_server"), True),
        (("/usr/sbin/nginx", "-g", "daemon off;"), False),
        ((), False),
    ],
)
def test_only_command_lines_of_engines_are_read(argv: tuple[str, ...], wanted: bool) -> None:
    assert is_wanted(argv) is wanted


def test_an_allow_listed_flag_after_a_secret_without_a_value_is_shown() -> None:
    argv = ("vllm", "serve", "m", "--hf-token", "--tensor-parallel-size", "16")
    assert redacted(argv) == argv


def test_only_named_variables_of_the_engine_leave() -> None:
    environ = {"VLLM_PORT": "1", "VLLM_DP_SIZE": "2", "VLLM_MY_THING": "x", "NIM_OWN": "y"}
    assert allowed_environ(environ) == {"VLLM_PORT": "1", "VLLM_DP_SIZE": "2"}


@pytest.mark.parametrize(
    "text",
    [
        "401 for hf_s3cr3tAbcdEfghIjkl",
        "key sk-s3cr3t-abcdefgh is wrong",
        "nvapi-s3cr3t-abcdefgh",
        "ghp_s3cr3tabcdefgh",
        "Authorization: Bearer s3cr3t",
        "authorization: Basic s3cr3t",
        "api_key='s3cr3t s3cr3t'",
        '{"HF_TOKEN": "s3cr3t"}',
        "Password = s3cr3t",
        "GET https://me:s3cr3t@host/x",
        "GET https://host/x?X-Amz-Signature=s3cr3t failed",
        "Authorization: Token s3cr3t",
        "Authorization: ApiKey s3cr3t",
        "{'Authorization': 'Token s3cr3t'}",
        "AWS4-HMAC-SHA256 SignedHeaders=host, Signature=s3cr3tdeadbeef01",
        "Cookie: session=s3cr3t; theme=s3cr3t",
        "Set-Cookie: id=s3cr3t",
        "pwd=s3cr3t",
        "passphrase: open s3cr3t",
        "secret_key 's3cr3t'",
        "the password is s3cr3t",
        '"password is s3cr3t"',
        "NGC_API_KEY s3cr3t rejected",
        "Invalid API key s3cr3tabc",
        "api_key=['a', 's3cr3t']",
        "glpat-s3cr3tabcdef",
        "dckr_pat_s3cr3tabcdef",
        "xoxb-1234-s3cr3t",
        "AIzaS3s3cr3tabcdefghijk",
        "x_ghp_s3cr3tabcdef",
        "-----BEGIN RSA PRIVATE KEY-----\ns3cr3t\n-----END RSA PRIVATE KEY----- s",
        "-----BEGIN PRIVATE KEY-----\\ns3cr3t",
        "curl -u admin:s3cr3t https://host",
        "curl -u +4917012345:s3cr3t https://host",
        "https://me:p@s3cr3t@host/x",
        "https://me:p/s3cr3t@host/x",
        'password="s3cr3t s3cr3t',
        "sshpass -p s3cr3t ssh worker-0",
        "docker login -u me -p s3cr3t nvcr.io",
        "docker login -u me -ps3cr3t nvcr.io",
        "oras login -u me -p s3cr3t registry",
        "az login --service-principal -u me -p s3cr3tabc",
        "wandb login --host https://w.example 0123456789abcdef0123456789abcds3cr3t",
        "wandb login --host=https://w.example 0123456789abcdef0123456789abcds3cr3t",
        "redis-cli -h cache --pass s3cr3t ping",
        "mc alias set m http://minio:9000 minio s3cr3t",
        "TOKEN=true,s3cr3t",
        "wandb login --relogin 0123456789abcdef0123456789abcds3cr3t",
        "redis-cli -h cache -a 's3cr3t' ping",
        "aws configure set aws_secret_access_key s3cr3tabc",
        "machine github.com login me password s3cr3t",
        "a\\n-token s3cr3t",
    ],
)
def test_a_secret_in_a_text_is_scrubbed(text: str) -> None:
    assert "s3cr3t" not in scrubbed(text)


@pytest.mark.parametrize(
    "text",
    [
        "KeyError: 'model'",
        "hf_overrides and hf_config",
        "max tokens: 8192",
        "tcp://10.0.0.2:29500",
        "HF_TOKEN is not set",
        "NGC_API_KEY environment variable is missing",
        "the password is wrong",
        "API key is required",
        "missing key 'model.layers.0'",
        "Unexpected token 'end'",
        "PWD=/root/work",
        "docker run -u 1000:1000 image",
        "http://10.0.0.2:8000/v1/models@main",
        "git+https://github.com/org/x@v1.2",
        "NCCL INFO NET/IB : Using [0]mlx5_0:1/RoCE [RO]; OOB eth0:10.0.0.2<0>",
        "NCCL INFO comm 0x7f21 rank 3 nranks 16 cudaDev 3 busId 43000 commId 0x9a7 - Init START",
        "NCCL INFO NCCL_IB_HCA set by environment to mlx5_0,mlx5_1",
        "Signature algorithm: sha256",
        "automountServiceAccountToken: false",
        '{"token": "", "password": null}',
        "first-token latency and per-token cost",
        "name: ngc-secret    # made beforehand",
        "date -u +'%Y-%m-%dT%H:%M'",
        "wandb login || true",
        "docker login -u me --password-stdin",
        'sshpass -p "$PASSWORD" ssh worker-0',
    ],
)
def test_a_text_without_a_secret_stays(text: str) -> None:
    assert scrubbed(text) == text


HOSTILE = (
    "a://",
    "a://b:c",
    "-----BEGIN PRIVATE KEY-----",
    "-----BEGIN ",
    "-eyJ",
    "-eyJaaaaaaaaa",
    "passw",
    "bearer ",
    "key = ",
    'secret "',
    "secret '",
    "token  ",
    "authorization ",
    "cookie:",
    "--key",
    "-u a:",
    "A_KEY ",
    "A_",
    " ",
    "signature=",
    "api",
    "token a1",
    "passphrase:",
    "key=[",
    "docker login ",
    "wandb login -a ",
    "redis-cli ",
    "login a ",
)


@pytest.mark.parametrize("piece", HOSTILE)
def test_scrubbing_costs_as_much_as_the_text_is_long(piece: str) -> None:
    """Many times the work for eight times the text would be more than linear."""
    short, long = (piece * (size // len(piece)) for size in (1 << 14, 1 << 17))
    assert _seconds(long) < 0.05 + 24 * _seconds(short)


def _seconds(text: str) -> float:
    begun = time.process_time()
    scrubbed(text)
    return time.process_time() - begun


@settings(deadline=None)
@given(st.lists(st.sampled_from([*HOSTILE, "s3cr3t", "\n", "=", ":", "@", "?", "x"])).map("".join))
def test_scrubbing_ends_on_any_mixture_and_one_line_is_short(text: str) -> None:
    assert len(one_line(text)) <= 200
    assert one_line(text).isprintable()


@settings(deadline=None)
@given(st.lists(WORDS))
def test_a_command_line_that_is_kept_has_its_number_of_words(argv: list[str]) -> None:
    assert len(without_secrets(argv)) == len(argv)


def test_a_command_line_that_is_kept_lacks_secrets_alone() -> None:
    argv = [
        "vllm",
        "serve",
        "m",
        "--max-num-batched-tokens",
        "8192",
        "--api-key",
        f"--{SECRET}",
        SECRET,
    ]
    argv += ["--speculative-config", '{"model": "d", "num_speculative_tokens": 3}', "-tp", "16"]
    kept = without_secrets([*argv, f"--hf-token={SECRET}", "--port", "1"])
    assert SECRET not in " ".join(kept)
    assert kept[:6] == argv[:6]
    assert kept[8:12] == argv[8:12]
    assert kept[-2:] == ["--port", "1"]


@pytest.mark.parametrize(
    "line",
    [
        "ValueError: 401 for api_key=s3cr3tAbcd at https://me:s3cr3t@hub/x",
        "EngineCore failed to start. HF_TOKEN=s3cr3tAbcd",
        f"HF_TOKEN={'s3cr3t' * 40} EngineCore failed to start.",
    ],
)
def test_no_secret_of_a_quoted_line_leaves(line: str) -> None:
    distiller = Distiller("x")
    distiller.feed(f"{line}\n".encode())
    done = distiller.finish()
    assert done.vllm.failures or done.nccl.failures
    assert b"s3cr3t" not in msgspec.json.encode((done.vllm, done.nccl))


def test_only_the_shape_of_a_model_leaves() -> None:
    config = {
        "hidden_size": 8,
        "x_token": "s3cr3t",
        "text_config": {"hidden_size": 4, "other": "s3cr3t"},
        "quantization_config": {"quant_method": "fp8", "note": "s3cr3t"},
        "mlp_only_layers": {"note": "s3cr3t"},
    }
    assert shown(config) == {
        "hidden_size": 8,
        "text_config": {"hidden_size": 4},
        "quantization_config": {"quant_method": "fp8"},
        "mlp_only_layers": HIDDEN,
    }


def test_words_that_say_that_a_token_is_missing_are_no_token() -> None:
    words = "InvalidAuthToken: Authentication token is missing or incorrect"
    assert scrubbed(words) == words
    assert "hunter2" not in scrubbed("token: hunter2 is missing")
    assert "Authentication" not in scrubbed("token: Authentication-hunter2")
    assert "hunter2" not in scrubbed("token=hunter2")
