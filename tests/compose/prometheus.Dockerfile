# Stands in for prom/prometheus where no registry is reached: Debian's build of it.
ARG BASE=python:3.13-slim-trixie
FROM ${BASE}
COPY prometheus /bin/prometheus
COPY --chown=65532:65532 data /prometheus
USER 65532:65532
EXPOSE 9090
ENTRYPOINT ["/bin/prometheus"]
