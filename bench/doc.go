// Command bench puts the appliance and the OpenTelemetry Collector side by
// side: the same requests, the same sampling, the same backend that throws
// everything away, and a third server that only reads and answers, as the limit
// of what can be had.
//
//	.ci/peers/build otelcol
//	CGO_ENABLED=0 go build -o .cache/appliance ./cmd/appliance
//	cd bench && go run .
//	cd bench && go run . tail -spans 1000000
//
// Rounds alternate between the servers, so that what else happens on the
// machine hits all of them. Work is measured as CPU time of the server's
// process, so that neither the load generator nor the backend counts, each of
// which is a process of its own. A run in which anything but 200 was answered,
// or in which appliance and Collector kept different numbers of spans, says so
// and exits 1.
//
// bench store measures what it costs to keep spans, from the socket until they
// are durable, merged and archived, beside a real Tempo (make bench-store).
// Each span is another, and each acknowledged one has to be found once in the
// blocks, by a reader of their files. With -jaeger it is beside Jaeger with
// badger too, whose spans are counted from badger's files.
package main
