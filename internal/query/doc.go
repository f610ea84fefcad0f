// Package query is the read API: what Grafana's Tempo data source calls, over HTTP and gRPC on one port.
//
// It promises that only the paths of that API reach Tempo (never its /flush, /shutdown or /status pages), that no
// request asks Tempo for more than a bounded result, and that Tempo's own answers come through as they are where the
// archive has nothing to add.
//
// With an Archive, a question is asked of both, and the answer is of both, each span once. "Not found" is said only
// where both were asked. Where one of them does not answer, or a block cannot be read, the answer is what there
// is, marked as partial: by the API's own status where it has one, and by the header Appliance-Partial.
package query
