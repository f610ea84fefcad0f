# Made by: appliance nomad policy --for task
# What the tasks of job "tempo" need: the lock that lets one of several replicas archive.
namespace "default" {
  variables {
    path "nomad/jobs/tempo/archiver" {
      capabilities = ["read", "write"]
    }
  }
}
