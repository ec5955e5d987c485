# Stands in for prom/prometheus where no registry is reached: Debian's build of it.
ARG BASE=python:3.13-slim-trixie@sha256:9d2e5553305c7c7b0097999bb17187c69b921ccd6bc9d40e4bb5ebe652c00285
FROM ${BASE}
COPY prometheus /bin/prometheus
COPY --chown=65532:65532 data /prometheus
USER 65532:65532
EXPOSE 9090
ENTRYPOINT ["/bin/prometheus"]
