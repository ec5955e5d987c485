# syntax=docker/dockerfile:1
# Two stages: libraries are installed and pruned in the first, the second holds only what runs.
# Pin BASE by digest where images are built for use: --build-arg BASE=python:3.13-slim-trixie@sha256:...
ARG BASE=docker.io/library/python:3.13-slim-trixie

FROM ${BASE} AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY requirements/service.lock .
RUN python -m venv /opt/venv \
 && /opt/venv/bin/pip install --only-binary=:all: --require-hashes -r service.lock \
 && /opt/venv/bin/pip uninstall --yes pip

# botocore brings the models of every AWS service; two are called. Its own files at the top level are needed.
RUN data="$(/opt/venv/bin/python -c 'import botocore, pathlib; print(pathlib.Path(botocore.__file__).parent / "data")')" \
 && find "$data" -mindepth 1 -maxdepth 1 -type d ! -name cleanroomsml ! -name sts -exec rm -rf {} +

WORKDIR /app
# The service reads its version from pyproject.toml, as it does in a source tree.
COPY pyproject.toml .
COPY schemas schemas
COPY service service
# Compiled with unchecked hashes, since nothing is written at run time and the sources don't change.
RUN /opt/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /app \
 && /opt/venv/bin/python -c "import service.bootstrap, service.check; from botocore.loaders import Loader; \
[Loader().load_service_model(name, 'service-2') for name in ('cleanroomsml', 'sts')]"


FROM ${BASE}

ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Clean Rooms ML service" \
      org.opencontainers.image.description="Kafka in front of AWS Clean Rooms ML" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    CRML_HTTP__HOST=0.0.0.0

COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
WORKDIR /app

# By number, so that runAsNonRoot can be verified; the user needs neither a name nor a home.
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGTERM

# No shell: the process is PID 1 and gets the signals. `topics` and `check` are run as: python -m service topics
ENTRYPOINT ["python", "-m", "service"]
CMD ["run"]
