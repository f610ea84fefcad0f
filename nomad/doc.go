// Package nomad makes the appliance a citizen of a Nomad cluster.
//
// Spec describes the job; Job builds it for the API, HCL and JSON print it.
// Cluster plans, registers, watches, shows and stops it. A job that somebody
// else made is never overwritten without being asked to, and a job that changed
// since it was looked at is never overwritten at all.
//
// In a task, Discovery follows a service (a Tempo elsewhere) with blocking
// queries and keeps the last good address while the service or Nomad itself is
// away. Leaser runs work under the lock of a Nomad variable: at most one of
// several replicas works at a time, as long as their clocks run at the same
// speed and the work stops within a third of the lock's TTL after its context
// ends. Losing the lock ends the term's context, and no other term of this
// process starts before the work has returned.
package nomad
