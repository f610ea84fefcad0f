package pages

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// settling is how long after its last span more of a trace is expected.
const settling = 30 * time.Second

// unknown says in sentences what is not known of a trace.
func (l *located) unknown() (out []string) {
	t := l.tree
	for _, why := range l.answer.Missing {
		out = append(out, "It may lack spans: "+why)
	}
	orphans := 0
	for _, o := range t.Orphans {
		orphans += len(o.Spans)
	}
	const because = " Such a parent was not sent, has not come yet, was sampled out elsewhere, or is older than what is kept."
	switch {
	case len(t.Roots) == 0:
		out = append(out, fmt.Sprintf("The root span was not seen. Spans whose parent is not stored: %d.", orphans)+because)
	case orphans > 0:
		out = append(out, fmt.Sprintf("Spans whose parent is not stored: %d.", orphans)+because)
	}
	if age := time.Since(time.Unix(0, int64(t.Ended))); age < settling {
		out = append(out, fmt.Sprintf("Its last span ended %s ago, so more may still come. Load the page again.", max(age, 0).Round(time.Second)))
	}
	if s := l.undecided(); s != "" {
		out = append(out, s)
	}
	if s := l.sampling(); s != "" {
		out = append(out, s)
	}
	early, lost := 0, int64(0)
	for _, n := range l.lines {
		if n.Parent != nil && n.StartTimeUnixNano < n.Parent.StartTimeUnixNano {
			early++
		}
		lost += int64(n.DroppedAttributesCount) + int64(n.DroppedEventsCount) + int64(n.DroppedLinksCount)
	}
	if early > 0 {
		out = append(out, fmt.Sprintf("Spans that begin before their parent: %d. The clocks of the senders differ, so bars may stand a little off.", early))
	}
	if lost > 0 {
		out = append(out, fmt.Sprintf("Attributes, events and links that the senders left out by limits of their own: %d.", lost))
	}
	return out
}

// sampling says by which share the spans were kept.
func (l *located) sampling() string {
	least, most := 1.0, 0.0
	for _, n := range l.lines {
		p, ok := probability(n.TraceState)
		if !ok {
			p = 1
		}
		least, most = min(least, p), max(most, p)
	}
	share := func(p float64) string { return digits(100*p) + " %" }
	switch {
	case least >= 1:
		return ""
	case least == most:
		return fmt.Sprintf("It was sampled at %s (th in its tracestate): it stands for about %s traces, of which the others are not stored.", share(least), number(1/least))
	}
	return fmt.Sprintf("Its spans were sampled at %s to %s, by service: those with a low rate may be missing.", share(least), share(most))
}

// probability is the share at which a span was kept, by th in the ot entry of
// its tracestate: 56 bits in hexadecimal, without zeros at the end.
func probability(tracestate string) (float64, bool) {
	for member := range strings.SplitSeq(tracestate, ",") {
		value, ok := strings.CutPrefix(strings.TrimSpace(member), "ot=")
		if !ok {
			continue
		}
		for field := range strings.SplitSeq(value, ";") {
			th, ok := strings.CutPrefix(field, "th:")
			if !ok || th == "" || len(th) > 14 {
				continue
			}
			n, err := strconv.ParseUint(th+strings.Repeat("0", 14-len(th)), 16, 64)
			return 1 - float64(n)/(1<<56), err == nil
		}
	}
	return 0, false
}
