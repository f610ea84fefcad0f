package pages

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"

	common "github.com/grafana/tempo/pkg/tempopb/common/v1"
	resource "github.com/grafana/tempo/pkg/tempopb/resource/v1"
	trace "github.com/grafana/tempo/pkg/tempopb/trace/v1"
)

const (
	maxAttributes = 40  // of a span, where all of them have no place
	maxEvents     = 10  // likewise
	maxValue      = 300 // bytes of a value
)

// spanRow is a span of the waterfall.
type spanRow struct {
	Anchor                 string
	Depth                  int // from 0, at most maxIndent
	Level                  int // from 1
	Service, Name          text
	ID, Parent, ParentLink string
	Kind, Status           string
	Message                text
	Failed                 bool
	Critical               string // own time on the critical path, empty off it
	Offset, Duration       string
	X, Width               string
	Began                  stamp
	Below                  int    // how many spans are below it
	Focus, Whole           string // links
	Attributes             []attribute
	MoreAttributes         int
	Events                 []eventView
	MoreEvents             int
	Links                  []linkView
	Dropped                string // by the sender
	Resource               int    // number of its resource on the page, from 1
	Scope                  text
}

type attribute struct {
	Key   text
	Value text
}

type eventView struct {
	Offset     string
	Name       text
	Attributes []attribute
}

type linkView struct {
	Trace, Span, Href string
	Attributes        []attribute
}

// resourceView is what describes the sender of spans.
type resourceView struct {
	Number     int
	Name       text
	Attributes []attribute
}

// shorten makes a text of a value.
type shorten func(string) text

func brief(s string) text { return cutTo(maxValue, s) }

// row shows line i: all of it, or what has a place among others.
func (l *located) row(i int, all bool) spanRow {
	n := l.lines[i]
	as, most := shorten(brief), maxAttributes
	if all {
		as, most = whole, math.MaxInt
	}
	total := float64(max(l.tree.Ended, l.tree.Began+1) - l.tree.Began)
	offset := n.StartTimeUnixNano - l.tree.Began
	row := spanRow{
		Anchor: anchor(i), Depth: min(n.Depth, maxIndent), Level: n.Depth + 1,
		Service: cutTo(60, n.Service), Name: cutTo(maxText, n.Name), ID: hex.EncodeToString(n.SpanId),
		Parent: hex.EncodeToString(n.ParentSpanId), Kind: kindName(n.Kind), Status: statusName(n.Status.GetCode()),
		Message: as(n.Status.GetMessage()), Failed: n.Failed(), Offset: durationText(offset),
		Duration: durationText(n.Duration()), X: percent(float64(offset) / total),
		Width: percent(float64(n.Duration()) / total), Began: stampOf(n.StartTimeUnixNano),
		Below: l.ends[i] - i - 1, Focus: l.link("focus", anchor(i)), Whole: l.link("span", anchor(i)),
		Resource: l.resourceOf(i), Dropped: dropped(n.Span),
	}
	if all {
		row.Name, row.Service = as(n.Name), as(n.Service)
	}
	if n.EndTimeUnixNano < n.StartTimeUnixNano {
		row.Duration = "ends before it starts"
	}
	if n.Critical > 0 {
		row.Critical = durationText(n.Critical)
	}
	if n.Scope != nil && n.Scope.Name != "" {
		row.Scope = cutTo(maxText, strings.TrimSpace(n.Scope.Name+" "+n.Scope.Version))
	}
	row.Attributes, row.MoreAttributes = attributes(n.Attributes, most, as)
	events := n.Events
	if !all {
		events = events[:min(len(events), maxEvents)]
	}
	row.MoreEvents = len(n.Events) - len(events)
	for _, e := range events {
		view := eventView{Offset: durationText(max(e.TimeUnixNano, l.tree.Began) - l.tree.Began), Name: as(e.Name)}
		view.Attributes, _ = attributes(e.Attributes, most, as)
		row.Events = append(row.Events, view)
	}
	for _, k := range n.Links[:min(len(n.Links), maxListed)] {
		view := linkView{Trace: hex.EncodeToString(k.TraceId), Span: hex.EncodeToString(k.SpanId)}
		if len(k.TraceId) == 16 {
			view.Href = traceLink(view.Trace, l.tenant)
		}
		view.Attributes, _ = attributes(k.Attributes, most, as)
		row.Links = append(row.Links, view)
	}
	return row
}

// dropped says what the sender left out of a span.
func dropped(s *trace.Span) string {
	var parts []string
	for _, d := range []struct {
		n    uint32
		noun string
	}{{s.DroppedAttributesCount, "attribute"}, {s.DroppedEventsCount, "event"}, {s.DroppedLinksCount, "link"}} {
		if d.n > 0 {
			parts = append(parts, several(int64(d.n), d.noun))
		}
	}
	return strings.Join(parts, ", ")
}

func attributes(all []*common.KeyValue, most int, as shorten) (shown []attribute, more int) {
	for _, kv := range all[:min(len(all), most)] {
		shown = append(shown, attribute{as(kv.Key), as(valueText(kv.Value))})
	}
	return shown, max(0, len(all)-most)
}

// valueText is a value as a person reads it. Nesting was bounded when it was
// received.
func valueText(v *common.AnyValue) string {
	switch v := v.GetValue().(type) {
	case *common.AnyValue_StringValue:
		return v.StringValue
	case *common.AnyValue_BoolValue:
		return strconv.FormatBool(v.BoolValue)
	case *common.AnyValue_IntValue:
		return strconv.FormatInt(v.IntValue, 10)
	case *common.AnyValue_DoubleValue:
		return strconv.FormatFloat(v.DoubleValue, 'g', -1, 64)
	case *common.AnyValue_BytesValue:
		return fmt.Sprintf("%d bytes: %s", len(v.BytesValue), base64.StdEncoding.EncodeToString(v.BytesValue))
	case *common.AnyValue_ArrayValue:
		var parts []string
		for _, one := range v.ArrayValue.GetValues() {
			parts = append(parts, valueText(one))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case *common.AnyValue_KvlistValue:
		var parts []string
		for _, kv := range v.KvlistValue.GetValues() {
			parts = append(parts, kv.Key+": "+valueText(kv.Value))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return "(nothing)"
}

// resourceOf numbers the resources in the order of the lines.
func (l *located) resourceOf(i int) int {
	if l.numbers == nil {
		l.numbers = map[*resource.Resource]int{}
		for _, n := range l.lines {
			if _, known := l.numbers[n.Resource]; !known {
				l.numbers[n.Resource] = len(l.numbers) + 1
			}
		}
	}
	return l.numbers[l.lines[i].Resource]
}

// resources are those of some lines.
func (l *located) resources(from, to int) (out []resourceView) {
	seen := map[int]bool{}
	for i := from; i < to && len(out) < maxListed; i++ {
		n := l.resourceOf(i)
		if seen[n] {
			continue
		}
		seen[n] = true
		view := resourceView{Number: n, Name: cutTo(60, l.lines[i].Service)}
		view.Attributes, _ = attributes(l.lines[i].Resource.GetAttributes(), maxAttributes, brief)
		out = append(out, view)
	}
	return out
}

func kindName(k trace.Span_SpanKind) string {
	return strings.ToLower(strings.TrimPrefix(k.String(), "SPAN_KIND_"))
}

func statusName(c trace.Status_StatusCode) string {
	return strings.ToLower(strings.TrimPrefix(c.String(), "STATUS_CODE_"))
}
