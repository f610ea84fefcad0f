// Package conformance replays recorded requests against a server of Tempo's read
// API and compares its answers with those of a stock Tempo.
//
// A corpus is lines of JSON: Meta first, then a Line for each request. The answer
// of a line has a canonical form, in which equal answers are equal: what has no
// order in Tempo is sorted, and what tells of the way to the answer is left out.
package conformance
