# syntax=docker/dockerfile:1
# Esker's image: one program, the libraries that it maps, certificates. No shell, no package manager, uid 65532, and
# nothing to write to: run it with a read-only root. `scripts/image` makes the same files into an image without an engine.
#
#   docker build -t esker .
#   docker run --rm --read-only -p 9092:9092 esker agent --help
#
# Never built with an engine by the project's own tests: they hold it against the program, and pack the same files.
#
# The settings of an agent are ESKER_* variables: docs/configuration.md. docker-compose.yml starts three of them.

# As in rust-toolchain.toml.
ARG RUST_VERSION=1.95.0

# Debian 12, because the libraries of the image are this stage's, and C libraries are compatible forwards only.
FROM rust:${RUST_VERSION}-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends binutils ca-certificates python3 \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /esker
COPY . .
# The build directory is a cache, so that a second build compiles only what changed. It is not part of any layer:
# what the image needs is laid out beside it in the same step.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/cache \
    ESKER_CACHE=/cache CARGO_TARGET_DIR=/cache/target scripts/dist --out /package \
    && scripts/image --binary /package/esker --tree /image

# The symbols, for who needs them: docker build --target symbols --output . .
FROM scratch AS symbols
COPY --from=build /package/esker.debug /

FROM scratch
LABEL org.opencontainers.image.title="Esker" \
    org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /image /
USER 65532:65532
# Kafka's protocol, and HTTP for probes and metrics.
EXPOSE 9092 9644
STOPSIGNAL SIGTERM
# For engines that look at it; Kubernetes asks /readyz and /livez itself.
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 CMD ["/usr/bin/esker", "check", "--ready"]
ENTRYPOINT ["/usr/bin/esker"]
CMD ["agent"]
