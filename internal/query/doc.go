// Package query is the read API: what Grafana's Tempo data source calls, over HTTP and gRPC on one port.
//
// It promises that only the paths of that API reach Tempo (never its /flush, /shutdown or /status pages), that no
// request asks Tempo for more than a bounded result, and that Tempo's own answers come through as they are.
package query
