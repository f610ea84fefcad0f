# Made by: appliance nomad spec --tempo task --image registry.example/appliance:0.2.0
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

    volume "data" {
      type            = "host"
      source          = "tempo-data"
      sticky          = true
      access_mode     = "single-node-multi-writer"
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
        APPLIANCE_ARCHIVE_SOURCE       = "file:///data/tempo/blocks"
        APPLIANCE_DATA_DIR             = "/data"
        APPLIANCE_FORWARDER_TEMPO_URL  = "nomad://tempo-otlp"
        APPLIANCE_HTTP_LISTEN          = ":3200"
        APPLIANCE_LOG_FORMAT           = "json"
        APPLIANCE_MEMORY_LIMIT         = "450MiB"
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

  group "tempo" {
    count = 1

    network {
      port "grpc" {
        to = 9095
      }

      port "http" {
        to = 3200
      }

      port "otlp" {
        to = 4318
      }
    }

    volume "data" {
      type            = "host"
      source          = "tempo-data"
      sticky          = true
      access_mode     = "single-node-multi-writer"
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

    task "tempo" {
      driver       = "docker"
      kill_timeout = "1m"
      kill_signal  = "SIGTERM"

      config {
        args     = ["-config.file=${NOMAD_TASK_DIR}/tempo.yaml"]
        cap_drop = ["all"]
        image    = "docker.io/grafana/tempo:2.7.2"
        ports = [
          "otlp",
          "http",
        ]
        readonly_rootfs = true
        security_opt    = ["no-new-privileges"]
      }

      env {
        GOMEMLIMIT = "360MiB"
      }

      template {
        destination = "local/tempo.yaml"
        data        = <<-EOH
          stream_over_http_enabled: true
          usage_report:
            reporting_enabled: false
          server:
            http_listen_port: 3200
            grpc_listen_address: 127.0.0.1
            grpc_listen_port: 9095
            log_level: info
          distributor:
            ring:
              instance_addr: 127.0.0.1
              kvstore:
                store: inmemory
            receivers:
              otlp:
                protocols:
                  http:
                    endpoint: 0.0.0.0:4318
            max_attribute_bytes: 0 # by default attributes are cut at 2 KiB
          ingester:
            flush_check_period: 5s
            concurrent_flushes: 1
            max_block_bytes: 20000000
            max_block_duration: 5m
            lifecycler:
              address: 127.0.0.1
              min_ready_duration: 0s
              ring:
                replication_factor: 1
                kvstore:
                  store: inmemory
          compactor:
            compaction:
              block_retention: 24h
              compacted_block_retention: 1h
              max_block_bytes: 100000000
            ring:
              kvstore:
                store: "" # alone, it needs no ring
          querier:
            frontend_worker:
              frontend_address: 127.0.0.1:9095
          query_frontend:
            search:
              concurrent_jobs: 64
          storage:
            trace:
              backend: local
              wal:
                path: /data/tempo/wal
              local:
                path: /data/tempo/blocks
              pool:
                max_workers: 8
                queue_depth: 10000
              block:
                parquet_row_group_size_bytes: 10000000
          overrides:
            defaults:
              ingestion:
                max_traces_per_user: 0 # above a limit Tempo answers 200 and discards
                rate_limit_bytes: 30000000
                burst_size_bytes: 64000000
              global:
                max_bytes_per_trace: 50000000
        EOH
        change_mode = "restart"
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
        name     = "tempo-otlp"
        tags     = ["traefik.enable=false"]
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
        name     = "tempo"
        tags     = ["traefik.enable=false"]
        port     = "http"
        provider = "nomad"

        check {
          name     = "ready"
          type     = "http"
          path     = "/ready"
          interval = "5s"
          timeout  = "2s"

          check_restart {
            limit = 6
            grace = "2m"
          }
        }
      }
    }
  }
}
