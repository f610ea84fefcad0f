// Package monitoring holds what Prometheus, Grafana and Compose get in deploy/
// against the real things: promtool and Prometheus of Debian, the library that
// Compose reads its files with, and /metrics of a running appliance.
package monitoring
