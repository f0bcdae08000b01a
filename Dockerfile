# The whole image is one static program and its data folder: no shell, no package manager, nothing
# in it that could need a security update of its own. `scripts/check-image` builds and runs it.

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
# A static program runs on an empty image. glibc links statically too, and its allocator keeps up
# with many threads, which musl's doesn't. Naming the target, even if it is the host, is what keeps
# the flag away from proc macros, which must be shared libraries.
RUN target="$(rustc --print host-tuple)" \
    && RUSTFLAGS="-C target-feature=+crt-static" \
        cargo build --release --locked --bin gitops-status-server --target "$target" \
    && mkdir -p /data /image/usr/local/bin /image/var/lib \
    && cp "target/$target/release/gitops-status-server" /image/usr/local/bin/

FROM scratch
LABEL org.opencontainers.image.title="gitops-status-server" \
      org.opencontainers.image.description="Keeps the latest GitOps sync status of every repository on every server" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
COPY --from=build /image /
# A new volume takes its owner from this folder. The folders above it were copied before, so that
# they are root's: `--chown` gives away each folder that it has to make.
COPY --from=build --chown=65532:65532 /data /var/lib/gitops-status
# By number, so that Kubernetes can see for itself that it isn't root.
USER 65532:65532
ENV GITOPS_STATUS_LISTEN=0.0.0.0:8080 \
    GITOPS_STATUS_DATABASE_URL=sqlite:///var/lib/gitops-status/gitops-status.db
VOLUME /var/lib/gitops-status
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=3s --start-period=10s \
    CMD ["/usr/local/bin/gitops-status-server", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/gitops-status-server"]
