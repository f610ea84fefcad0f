// Package upgrade holds that what an earlier version left on disk is opened,
// read and taken over by this one, with every span counted. testdata has a
// directory for each version: the data directories that its real binary wrote,
// with one of everything that is kept on disk, and what they hold.
//
// When a version is released, `go test ./upgrade -write VERSION` writes its
// directory, once.
package upgrade
