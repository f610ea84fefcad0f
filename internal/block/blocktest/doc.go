// Package blocktest makes OTLP traces for the tests and benchmarks of blocks:
// Random has everything that the protocol can say and much that no SDK sends,
// Load is what a system of twenty services produces. Both are the same for the
// same seed.
package blocktest
