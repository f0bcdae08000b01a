# The image contains one static program and its data folder. Without a shell or packages, nothing else
# needs security updates. `scripts/check-image` builds and runs it.

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
# What `--version` says; without it, the commit is unknown, since the sources come without Git.
ARG GITOPS_STATUS_COMMIT
RUN scripts/build-static \
    && mkdir -p /data /image/usr/local/bin /image/var/lib \
    && cp "target/$(rustc --print host-tuple)/release/gitops-status-server" /image/usr/local/bin/

FROM scratch
LABEL org.opencontainers.image.title="gitops-status-server" \
      org.opencontainers.image.description="Keeps the latest GitOps sync status of every repository on every server" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
COPY --from=build /image /
# A new volume takes its owner from this folder. `--chown` also applies to parent folders that COPY
# creates, so the line above has copied those before, owned by root.
COPY --from=build --chown=65532:65532 /data /var/lib/gitops-status
# A number, so that Kubernetes can verify that it isn't root (runAsNonRoot).
USER 65532:65532
ENV GITOPS_STATUS_LISTEN=0.0.0.0:8080 \
    GITOPS_STATUS_DATABASE_URL=sqlite:///var/lib/gitops-status/gitops-status.db
VOLUME /var/lib/gitops-status
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=3s --start-period=10s \
    CMD ["/usr/local/bin/gitops-status-server", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/gitops-status-server"]
