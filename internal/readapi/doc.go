// Package readapi is Tempo's read API over HTTP and gRPC: what Grafana's Tempo
// data source and tempo-cli call.
//
// It reads requests, asks an Engine, and writes answers as Tempo does: the same
// paths, parameters, statuses and messages. docs/traceql.md says where that
// differs on purpose.
//
// No request asks for more than a bounded answer. An answer that lacks
// something says so: by the API's own status where it has one, and by the
// header (gRPC: trailer) Appliance-Partial everywhere.
package readapi
