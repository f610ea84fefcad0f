# Built by `make image`, which puts the static binary and an empty data directory beside this file. Nothing is pulled.
FROM scratch
LABEL org.opencontainers.image.title="appliance" \
      org.opencontainers.image.licenses="AGPL-3.0-only"
COPY appliance /appliance
COPY --chown=10001:10001 data /data
USER 10001:10001
ENV APPLIANCE_DATA_DIR=/data
VOLUME /data
# 4317: OTLP/gRPC in. 4318: OTLP/HTTP in. 3200: Tempo's read API, /ready and /metrics.
EXPOSE 4317 4318 3200
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["/appliance", "health"]
ENTRYPOINT ["/appliance"]
CMD ["serve"]
