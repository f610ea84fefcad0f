// Package storetest is the conformance suite of store.Store: what the comments
// of the interface promise, each as a test that every implementation passes.
package storetest
