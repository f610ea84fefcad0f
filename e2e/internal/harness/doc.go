// Package harness starts the appliance and the programs it meets, and asks them
// what happened.
//
// Every process it starts belongs to one test: it listens on free loopback
// ports, keeps its files in the test's own directory, is ended and reaped when
// the test ends, and dies with the test program whatever becomes of that. What
// a process printed is shown when its test fails.
package harness
