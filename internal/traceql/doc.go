// Package traceql is the query language of traces: it reads queries, and it
// evaluates them.
//
// Parse reads the whole language of Tempo 2.8 and parts of later versions: = nil,
// span:childCount, minInt and maxInt, comparisons and arithmetic of metrics.
// docs/traceql.md says what differs from Tempo on purpose. An error is an *Error
// with line, column and what was expected there. String prints a query in a form
// that parses to the same query.
//
// Reading takes linear time and bounded memory whatever the text is: its length,
// its nesting and its regular expressions have limits.
package traceql
