// Package serve is the running appliance. It ties receiver, sampler, spool,
// storage and archive together by small interfaces that stand where they are
// used.
//
// Run is its life in three steps: build opens everything top to bottom
// (build.go), run starts what works on its own (run.go), and stop ends it in a
// written order (stop.go). storage.go is the seam between storing here
// (embedded.go) and bringing spans to a Tempo (elsewhere.go).
//
// The commands ask this package what a configuration means to the process:
// what is wrong with it (check.go), and where its files are (datadir.go).
package serve
