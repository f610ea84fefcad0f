// Package tail decides on whole traces: tail sampling, with the spool as the
// delay line.
//
// A Line reads the spool at its head and collects what the rules need to know of
// each trace, at most 64 bytes. A record is decided on Options.Wait after it
// came; whoever reads the spool through its Sieve gets it then, without the
// spans that a rule leaves out.
//
// It promises:
//   - a trace is decided by the first rule that all spans match which were
//     acknowledged before the verdict; a trace that no rule matches is kept;
//   - what becomes of a record is on a synced disk before anything of it is handed
//     out, and is the same after any crash; so is the verdict on a trace for
//     Options.Remember after it was decided, and its late spans share it;
//   - each span that is left out is counted once, by rule, whatever ends the
//     process;
//   - what cannot be known is kept: a record that cannot be read, a late span
//     whose verdict is forgotten;
//   - memory is bounded by the number of traces, and by Options.MaxOutcomes. At the
//     bound of traces the oldest are decided early, and are counted.
package tail
