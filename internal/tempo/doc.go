// Package tempo is about a Tempo elsewhere, in a process that is not ours.
//
// An Engine asks it what the read API is asked, and Both puts its answers and
// those of the archive together, each span once. Ask is what the forwarder wants
// to know of it. Translate tells what
// of its configuration means something to the appliance.
package tempo
