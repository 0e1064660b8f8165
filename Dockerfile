# chatd in an image of its own: one static program and the authorities of TLS,
# no shell, no root. All that it writes is in /data.
#
#   docker build -t chatd:local .
#   docker run --rm -p 127.0.0.1:4000:4000 -v chatd-data:/data --read-only chatd:local
#
# go.mod says which Go is the least; compose_test.go holds this line to it.
FROM golang:1.26.8-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY cmd cmd
COPY internal internal
COPY migrations migrations
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o /out/chatd ./cmd/chatd
# The directory is copied as what is in another, so that its owner goes along.
RUN mkdir -p -m 0700 /out/owned/data /out/owned/files

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/chatd /chatd
COPY --from=build --chown=65532:65532 /out/owned/ /
USER 65532:65532
ENV CHATD_DATA_DIR=/data CHATD_LISTEN=:4000
VOLUME /data
EXPOSE 4000
# Settings must be in the environment for this to find the server; those on
# the command line of `docker run` it does not see.
HEALTHCHECK --interval=10s --timeout=6s --start-period=30s --retries=3 CMD ["/chatd", "healthcheck"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/chatd"]
CMD ["serve"]
