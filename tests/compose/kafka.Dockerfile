# Stands in for apache/kafka where no registry is reached: the sandbox's Kafka of the same version, and Java from a wheel.
ARG BASE=python:3.13-slim-trixie@sha256:9d2e5553305c7c7b0097999bb17187c69b921ccd6bc9d40e4bb5ebe652c00285
FROM ${BASE}
COPY java /opt/java
COPY jars /opt/kafka/libs
COPY start_kafka.py /opt/kafka/
USER 65532:65532
EXPOSE 9092
WORKDIR /tmp
ENTRYPOINT ["python3", "/opt/kafka/start_kafka.py"]
