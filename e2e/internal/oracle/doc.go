// Package oracle judges the promise "200 means kept".
//
// It sends spans whose every field follows by formula from the number of their
// trace and their place in it, from several clients at once, remembers which of
// them were answered 200, and in the end reads everything back through the read
// API. It counts
//   - missing: answered 200, and not there;
//   - corrupted: there, but not as it was sent, whether it was answered 200 or
//     not;
//   - invented: there, and never sent;
//   - duplicated: there twice in one answer.
//
// Spans whose request was not answered 200 may be there or not. A client sends
// some of those again, as they were, and goes on with new ones otherwise. Some
// traces get spans from all clients for as long as the load lasts.
//
// Tail is the same for tail sampling. It knows the rules, and counts besides
// what is kept in part, verdicts against the rules on what was acknowledged
// before them, and spans that are there although a rule left them out.
package oracle
