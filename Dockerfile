# Node's LTS line on Debian slim, by its full version. A digest pins it for good, and a mirror serves where there is one:
#   docker build --build-arg RUNTIME_IMAGE=node:26.10.0-bookworm-slim@sha256:... .
ARG BUILD_IMAGE=node:26.10.0-bookworm-slim
ARG RUNTIME_IMAGE=node:26.10.0-bookworm-slim

FROM ${BUILD_IMAGE} AS build
WORKDIR /weir
COPY package.json package-lock.json ./
# No package of Weir's needs its install script, so none gets to run one.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build
# The SDKs serve the demo alone: what runs in production has no client of any provider in it. The other optional
# packages stay: OpenTelemetry's, and the native parts of lmdb. What is left is what the bill of materials lists.
RUN npm uninstall --ignore-scripts --omit=dev --no-audit --no-fund openai @anthropic-ai/sdk \
 && npm pkg delete devDependencies \
 && npm sbom --sbom-format=cyclonedx --sbom-type=application > sbom.cdx.json

FROM ${RUNTIME_IMAGE}
ARG RUNTIME_IMAGE
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Weir" \
      org.opencontainers.image.description="A pre-semantic coordination proxy between AI agents and their upstream APIs" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${RUNTIME_IMAGE}"
ENV NODE_ENV=production
WORKDIR /weir
# Owned by root and only read: the process writes no file, so the root file system may be read-only.
COPY --from=build /weir/package.json /weir/sbom.cdx.json ./
COPY --from=build /weir/node_modules ./node_modules
COPY --from=build /weir/dist ./dist
COPY policies ./policies
COPY dashboard ./dashboard
COPY LICENSE ./
# A number, so that Kubernetes can check runAsNonRoot without reading /etc/passwd.
USER 65532:65532
# Agents, operator. Both listen on loopback unless told otherwise (WEIR_LISTEN, WEIR_AUTH, WEIR_OPERATOR, or a file).
EXPOSE 8080 9090
STOPSIGNAL SIGTERM
# Node itself is process 1: src/main.ts answers SIGTERM, and no shell or init stands in between. There is no
# HEALTHCHECK: Kubernetes ignores it, and GET /livez and /readyz on the operator's port serve whoever asks.
ENTRYPOINT ["node", "--enable-source-maps", "dist/main.js"]
CMD ["run"]
