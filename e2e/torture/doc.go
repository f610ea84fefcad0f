// Package torture tries to break the promise "200 means kept" of the real
// binary: it kills, cuts the power, fills disks, damages files and puts up with
// every kind of Tempo, while clients send, and has the oracle judge what is
// left.
//
// A test takes seconds by default; TORTURE=long gives each the counts of
// docs/RELIABILITY.md. APPLIANCE_BIN names the binary. The tests need root,
// ext4 on loop devices, and strace.
package torture
