# The image of `distcheck agent`, `serve`, and every other command: docs/image.md.
#
#   docker build -t ghcr.io/distcheck/distcheck:0.1.0 .        (or buildah, podman, kaniko)
#
# The base is an index of amd64, arm64 and others, pinned by its digest, which the official images
# publish in docker-library/repo-info. Another mirror of it: --build-arg PYTHON=...
ARG PYTHON=docker.io/library/python:3.11-slim-bookworm@sha256:0bee7276f83efd4a1ee05bbbf4281d95ed28e079220a9457f25a93e3f1e3c31b

FROM ${PYTHON} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
ENV INTO=/opt/distcheck
WORKDIR /src
# What runs, by the hashes of the lock, from wheels only: nothing is compiled, no setup.py is run.
# The Kubernetes client's asynchronous twin is half of all files and is never imported.
COPY requirements.lock ./
RUN python3 -m venv --without-pip $INTO \
 && python3 -m pip --python $INTO install --only-binary :all: --require-hashes --no-compile -r requirements.lock \
 && rm -r $INTO/lib/python3.11/site-packages/kubernetes/aio
# The package itself, built by the hashes of another lock, without a look at any index.
COPY requirements-build.lock ./
RUN python3 -m pip install --only-binary :all: --require-hashes -r requirements-build.lock
COPY pyproject.toml README.md CHANGELOG.md LICENSE ./
COPY src src
RUN python3 -m pip wheel --no-index --no-deps --no-build-isolation --wheel-dir /dist . \
 && python3 -m pip --python $INTO install --no-index --no-deps --no-compile /dist/*.whl
# Bytecode now: the root is read-only later, and a start without it takes seconds. It is not
# compared with its source, as nobody can change that either. The Kubernetes client's 700 models
# are not imported: nothing for them.
RUN python3 -m compileall -q -x '/kubernetes/client/(api|models)/[^_]' --invalidation-mode unchecked-hash $INTO/lib

FROM ${PYTHON}
# What installs software has no place beside what reads a node.
RUN rm -rf /usr/local/bin/pip* /usr/local/lib/python3.11/ensurepip \
      /usr/local/lib/python3.11/site-packages/*
COPY --from=build /opt/distcheck /opt/distcheck
ENV PATH=/opt/distcheck/bin:/usr/local/bin:/usr/bin:/bin \
    HOME=/tmp LANG=C.UTF-8 \
    PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
# Nobody. The agent's DaemonSet asks for root with two capabilities; nothing else needs it.
USER 65532:65532
WORKDIR /tmp
STOPSIGNAL SIGTERM
# The kubelet's probes say how it is; a check of Docker's own would start a Python each time.
HEALTHCHECK NONE
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="distcheck" \
      org.opencontainers.image.description="Proves that a multi-node LLM serving group is one sharded model on a healthy interconnect, or says what is wrong and why" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/distcheck/distcheck" \
      org.opencontainers.image.documentation="https://github.com/distcheck/distcheck/blob/main/docs/image.md" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENTRYPOINT ["distcheck"]
CMD ["--help"]
