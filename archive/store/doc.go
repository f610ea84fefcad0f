// Package store keeps objects under names in a directory or in an S3 bucket,
// behind one interface.
//
// It promises: a name never shows less than a whole object, whatever crashes and
// whenever; what Put wrote is never overwritten; when a method returns nil, a
// power cut cannot undo it; memory stays bounded whatever the size of an object.
// It knows nothing of blocks: what the names mean is its caller's affair.
//
// The conformance suite in package storetest holds each implementation to the
// words of the interface.
package store
