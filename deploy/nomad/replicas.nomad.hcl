# Made by: appliance nomad spec --job traces --count 2 --tempo elsewhere --set forwarder.tempo_url=nomad://tempo-otlp --set tempo.query_url=nomad://tempo --set archive.source=s3://tempo/traces?endpoint=s3.service.local:9000 --set archive.store=s3://traces/archive?endpoint=s3.service.local:9000 --image registry.example/appliance:0.2.0
job "traces" {
  type        = "service"
  datacenters = ["*"]

  meta {
    made_by = "appliance"
  }

  update {
    max_parallel      = 1
    health_check      = "checks"
    min_healthy_time  = "10s"
    healthy_deadline  = "5m"
    progress_deadline = "10m"
    auto_revert       = true
  }

  group "appliance" {
    count = 2

    network {
      port "http" {
        static = 32400
        to     = 3200
      }

      port "otlp" {
        static = 32318
        to     = 4318
      }

      port "otlp_grpc" {
        static = 32317
        to     = 4317
      }
    }

    volume "data" {
      type            = "host"
      source          = "traces-data"
      sticky          = true
      access_mode     = "single-node-single-writer"
      attachment_mode = "file-system"
    }

    restart {
      interval = "10m"
      attempts = 3
      delay    = "5s"
      mode     = "fail"
    }

    reschedule {
      delay          = "30s"
      delay_function = "exponential"
      max_delay      = "10m"
      unlimited      = true
    }

    task "appliance" {
      driver       = "docker"
      kill_timeout = "1m"
      kill_signal  = "SIGTERM"

      config {
        args     = ["serve"]
        cap_drop = ["all"]
        image    = "registry.example/appliance:0.2.0"
        ports = [
          "otlp",
          "otlp_grpc",
          "http",
        ]
        readonly_rootfs = true
        security_opt    = ["no-new-privileges"]
      }

      env {
        APPLIANCE_ARCHIVE_SOURCE       = "s3://tempo/traces?endpoint=s3.service.local:9000"
        APPLIANCE_ARCHIVE_STORE        = "s3://traces/archive?endpoint=s3.service.local:9000"
        APPLIANCE_DATA_DIR             = "/data"
        APPLIANCE_FORWARDER_TEMPO_URL  = "nomad://tempo-otlp"
        APPLIANCE_HTTP_LISTEN          = ":3200"
        APPLIANCE_LOG_FORMAT           = "json"
        APPLIANCE_MEMORY_LIMIT         = "450MiB"
        APPLIANCE_NOMAD_LOCK           = "nomad/jobs/traces/archiver"
        APPLIANCE_RECEIVER_GRPC_LISTEN = ":4317"
        APPLIANCE_RECEIVER_LISTEN      = ":4318"
        APPLIANCE_TEMPO_QUERY_URL      = "nomad://tempo"
        NOMAD_NODE_NAME                = "${node.unique.name}"
      }

      identity {
        env = true
      }

      volume_mount {
        volume      = "data"
        destination = "/data"
      }

      resources {
        cpu        = 200
        memory     = 450
        memory_max = 900
      }

      service {
        name = "tempo-write"
        tags = [
          "traefik.enable=true",
          "traefik.http.routers.traces-write.service=traces-write",
          "traefik.http.routers.traces-write.rule=Host(`tempo-write.service.local`)",
          "traefik.http.routers.traces-write.tls=false",
          "traefik.http.services.traces-write.loadbalancer.healthcheck.path=/ready",
          "traefik.http.services.traces-write.loadbalancer.healthcheck.port=${NOMAD_HOST_PORT_http}",
          "traefik.http.services.traces-write.loadbalancer.healthcheck.interval=5s",
          "traefik.http.routers.traces-write.observability.tracing=false",
        ]
        port     = "otlp"
        provider = "nomad"

        check {
          name     = "listens"
          type     = "tcp"
          interval = "5s"
          timeout  = "2s"
        }
      }

      service {
        name = "tempo-write-grpc"
        tags = [
          "traefik.enable=true",
          "traefik.http.routers.traces-write-grpc.service=traces-write-grpc",
          "traefik.http.routers.traces-write-grpc.rule=Host(`tempo-write.service.local`) && PathPrefix(`/opentelemetry.proto.collector.`)",
          "traefik.http.routers.traces-write-grpc.tls=false",
          "traefik.http.services.traces-write-grpc.loadbalancer.healthcheck.path=/ready",
          "traefik.http.services.traces-write-grpc.loadbalancer.healthcheck.port=${NOMAD_HOST_PORT_http}",
          "traefik.http.services.traces-write-grpc.loadbalancer.healthcheck.interval=5s",
          "traefik.http.services.traces-write-grpc.loadbalancer.server.scheme=h2c",
          "traefik.http.services.traces-write-grpc.loadbalancer.healthcheck.scheme=http",
          "traefik.http.routers.traces-write-grpc.observability.tracing=false",
        ]
        port     = "otlp_grpc"
        provider = "nomad"

        check {
          name     = "listens"
          type     = "tcp"
          interval = "5s"
          timeout  = "2s"
        }
      }

      service {
        name = "tempo-read"
        tags = [
          "traefik.enable=true",
          "traefik.http.routers.traces-read.service=traces-read",
          "traefik.http.routers.traces-read.rule=Host(`tempo-read.service.local`)",
          "traefik.http.routers.traces-read.tls=false",
          "traefik.http.services.traces-read.loadbalancer.healthcheck.path=/ready",
          "traefik.http.services.traces-read.loadbalancer.healthcheck.port=${NOMAD_HOST_PORT_http}",
          "traefik.http.services.traces-read.loadbalancer.healthcheck.interval=5s",
        ]
        port     = "http"
        provider = "nomad"

        check {
          name     = "ready"
          type     = "http"
          path     = "/ready"
          interval = "5s"
          timeout  = "2s"
        }

        check {
          name     = "alive"
          type     = "http"
          path     = "/healthz"
          interval = "5s"
          timeout  = "2s"

          check_restart {
            limit = 3
            grace = "1m"
          }
        }
      }
    }
  }
}
