# Nothing is built in here: `make docker` (scripts/image.ts) lays everything out in dist/rootfs-<architecture>, and
# this file copies it. So no architecture needs emulation and no base image is pulled. After `make rootfs`:
#   docker buildx build --platform linux/amd64,linux/arm64 .
FROM scratch

ARG TARGETARCH
COPY dist/rootfs-${TARGETARCH}/root/ /
COPY --chown=1000:1000 dist/rootfs-${TARGETARCH}/state/ /state/

ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="mosquitto-cert-watcher"
LABEL org.opencontainers.image.description="Restarts an Eclipse Mosquitto container exactly once when its bridge certificates have been renewed"
LABEL org.opencontainers.image.vendor="mosquitto-cert-watcher maintainers"
LABEL org.opencontainers.image.url="${SOURCE}"
LABEL org.opencontainers.image.source="${SOURCE}"
LABEL org.opencontainers.image.documentation="${SOURCE}#readme"
LABEL org.opencontainers.image.licenses="Apache-2.0"
LABEL org.opencontainers.image.version="${VERSION}"
LABEL org.opencontainers.image.revision="${REVISION}"
LABEL org.opencontainers.image.created="${CREATED}"

# one heap arena instead of eight per processor: less memory, and there is nothing to contend for
ENV MALLOC_ARENA_MAX=1
USER 1000
EXPOSE 9090
# asks /healthz, so it needs ENABLE_METRICS=true
HEALTHCHECK --interval=60s --timeout=10s --start-period=15s --retries=2 CMD ["/mosquitto-cert-watcher", "healthcheck"]
ENTRYPOINT ["/mosquitto-cert-watcher"]
