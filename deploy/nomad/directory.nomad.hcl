# Made by: appliance nomad spec --data /srv/appliance --image registry.example/appliance:0.2.0
job "tempo" {
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
    count = 1

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
        volumes         = ["/srv/appliance:/data"]
      }

      env {
        APPLIANCE_DATA_DIR             = "/data"
        APPLIANCE_HTTP_LISTEN          = ":3200"
        APPLIANCE_LOG_FORMAT           = "json"
        APPLIANCE_MEMORY_LIMIT         = "450MiB"
        APPLIANCE_RECEIVER_GRPC_LISTEN = ":4317"
        APPLIANCE_RECEIVER_LISTEN      = ":4318"
        APPLIANCE_RETENTION            = "24h"
        NOMAD_NODE_NAME                = "${node.unique.name}"
      }

      identity {
        env = true
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
          "traefik.http.routers.tempo-write.service=tempo-write",
          "traefik.http.routers.tempo-write.rule=Host(`tempo-write.service.local`)",
          "traefik.http.routers.tempo-write.tls=false",
          "traefik.http.services.tempo-write.loadbalancer.healthcheck.path=/ready",
          "traefik.http.services.tempo-write.loadbalancer.healthcheck.port=${NOMAD_HOST_PORT_http}",
          "traefik.http.services.tempo-write.loadbalancer.healthcheck.interval=5s",
          "traefik.http.routers.tempo-write.observability.tracing=false",
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
          "traefik.http.routers.tempo-write-grpc.service=tempo-write-grpc",
          "traefik.http.routers.tempo-write-grpc.rule=Host(`tempo-write.service.local`) && PathPrefix(`/opentelemetry.proto.collector.`)",
          "traefik.http.routers.tempo-write-grpc.tls=false",
          "traefik.http.services.tempo-write-grpc.loadbalancer.healthcheck.path=/ready",
          "traefik.http.services.tempo-write-grpc.loadbalancer.healthcheck.port=${NOMAD_HOST_PORT_http}",
          "traefik.http.services.tempo-write-grpc.loadbalancer.healthcheck.interval=5s",
          "traefik.http.services.tempo-write-grpc.loadbalancer.server.scheme=h2c",
          "traefik.http.services.tempo-write-grpc.loadbalancer.healthcheck.scheme=http",
          "traefik.http.routers.tempo-write-grpc.observability.tracing=false",
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
          "traefik.http.routers.tempo-read.service=tempo-read",
          "traefik.http.routers.tempo-read.rule=Host(`tempo-read.service.local`)",
          "traefik.http.routers.tempo-read.tls=false",
          "traefik.http.services.tempo-read.loadbalancer.healthcheck.path=/ready",
          "traefik.http.services.tempo-read.loadbalancer.healthcheck.port=${NOMAD_HOST_PORT_http}",
          "traefik.http.services.tempo-read.loadbalancer.healthcheck.interval=5s",
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
      }

      service {
        name     = "tempo"
        tags     = ["traefik.enable=false"]
        port     = "http"
        provider = "nomad"

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
