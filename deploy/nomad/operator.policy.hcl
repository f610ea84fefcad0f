# Made by: appliance nomad policy --for operator
# What a person needs for: appliance nomad plan, register, status, deregister.
namespace "default" {
  capabilities = ["submit-job", "read-job", "read-logs", "host-volume-create", "host-volume-read"]
}

host_volume "tempo-data" {
  policy = "write"
}
