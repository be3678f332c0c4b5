# Three images from one file: `operator`, `sidecar` and `engine` (the simulated one).
# `make images` fills build/images with the locked wheels, which is all that goes in beside the base:
# nothing is fetched here but the base. See docs/images.md.

# Any image with Python of the wheels' version.
ARG BASE=docker.io/library/python:3.11-slim

FROM ${BASE} AS base

FROM base AS wheels
RUN ["python3", "-m", "venv", "/opt/tierfleet"]
ENV PIP_NO_INDEX=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

FROM wheels AS operator-files
COPY build/images/operator /wheels
RUN ["/bin/sh", "-c", "/opt/tierfleet/bin/pip install --no-deps /wheels/*.whl"]
RUN ["/opt/tierfleet/bin/pip", "uninstall", "--yes", "setuptools", "pip"]

FROM wheels AS sidecar-files
COPY build/images/sidecar /wheels
RUN ["/bin/sh", "-c", "/opt/tierfleet/bin/pip install --no-deps /wheels/*.whl"]
RUN ["/opt/tierfleet/bin/pip", "uninstall", "--yes", "setuptools", "pip"]

FROM wheels AS engine-files
COPY build/images/engine /wheels
RUN ["/bin/sh", "-c", "/opt/tierfleet/bin/pip install --no-deps /wheels/*.whl"]
RUN ["/opt/tierfleet/bin/pip", "uninstall", "--yes", "setuptools", "pip"]

# A number, because `runAsNonRoot` cannot check a name. Nothing is written outside of mounts.
FROM base AS final
ARG VERSION=0
ARG REVISION=unknown
LABEL org.opencontainers.image.vendor="tierfleet" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV PATH=/opt/tierfleet/bin:/usr/local/bin:/usr/bin:/bin PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /
USER 65532:65532

FROM final AS operator
LABEL org.opencontainers.image.title="tierfleet operator" \
      org.opencontainers.image.description="Makes the cluster be as InferencePools, TierPolicies and CapacityReservations say"
COPY --from=operator-files /opt/tierfleet /opt/tierfleet
ENTRYPOINT ["/opt/tierfleet/bin/tierfleet"]

FROM final AS sidecar
LABEL org.opencontainers.image.title="tierfleet sidecar" \
      org.opencontainers.image.description="Admits requests in front of an inference engine by contract, not by arrival"
COPY --from=sidecar-files /opt/tierfleet /opt/tierfleet
ENTRYPOINT ["/opt/tierfleet/bin/tierfleet"]

FROM final AS engine
LABEL org.opencontainers.image.title="tierfleet simulated engine" \
      org.opencontainers.image.description="Behaves like vLLM without a GPU: for tests and trials"
COPY --from=engine-files /opt/tierfleet /opt/tierfleet
ENTRYPOINT ["/opt/tierfleet/bin/tierfleet", "engine"]
