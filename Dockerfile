# syntax=docker/dockerfile:1
# resnetlab as an image: docs/install.md has the commands. Both bases have apt and a Python of at least 3.11.
#   CPU:   docker build -t resnetlab --build-arg TORCH_INDEX=URL .     URL: the index of PyTorch's CPU builds
#   CUDA:  docker build -t resnetlab:cuda --build-arg BASE=nvidia/cuda:13.0.1-base-ubuntu24.04 .
ARG BASE=debian:trixie-slim

FROM ${BASE} AS wheel
# hadolint ignore=DL3008  # a distribution's packages are replaced, so that a version of today is gone tomorrow
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN python3 -m venv /venv && /venv/bin/pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM ${BASE}
# g++ compiles kernels of our own on a CPU; torch.compile on a GPU wants it and Python's headers.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ python3 python3-dev python3-venv \
    && rm -rf /var/lib/apt/lists/*
COPY constraints.txt /tmp/constraints.txt
COPY --from=wheel /wheels /tmp/wheels
# Empty, TORCH_INDEX takes what pip takes: on x86-64 a CUDA build, some gigabytes, which runs on a CPU too.
ARG TORCH_INDEX=""
ARG EXTRAS="export,tensorboard"
RUN python3 -m venv /opt/resnetlab \
    && /opt/resnetlab/bin/pip install --no-cache-dir --constraint /tmp/constraints.txt \
    ${TORCH_INDEX:+--index-url "${TORCH_INDEX}"} torch \
    && /opt/resnetlab/bin/pip install --no-cache-dir --constraint /tmp/constraints.txt \
    "resnetlab[${EXTRAS}] @ file://$(echo /tmp/wheels/resnetlab-*.whl)" \
    && rm -r /tmp/wheels /tmp/constraints.txt

RUN useradd --create-home --uid 10001 resnetlab \
    && mkdir /here && chown resnetlab /here
# Another user may be given (--user): what is cached then lies in /here too, and a name is told that none has.
ENV PATH=/opt/resnetlab/bin:$PATH \
    USER=resnetlab \
    RESNETLAB_CACHE=/here/.cache/resnetlab \
    TORCHINDUCTOR_CACHE_DIR=/here/.cache/inductor \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 10001
WORKDIR /here
ENTRYPOINT ["resnetlab"]
CMD ["--help"]
