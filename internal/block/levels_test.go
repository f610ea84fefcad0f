package block

import (
	"encoding/binary"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"appliance/internal/block/blocktest"
)

// levels are the entries of a column as repetition, definition and value.
func levels(t *testing.T, file *parquet.File, column string) string {
	t.Helper()
	at := -1
	for i, c := range newVParquet4().Columns {
		if c.Name == column {
			at = i
		}
	}
	if at < 0 {
		t.Fatalf("no column is called %s", column)
	}
	var text []string
	for _, group := range file.RowGroups() {
		pages := group.ColumnChunks()[at].Pages()
		for {
			page, err := pages.ReadPage()
			if err != nil {
				break
			}
			values := make([]parquet.Value, page.NumValues())
			n, _ := page.Values().ReadValues(values)
			for _, v := range values[:n] {
				entry := fmt.Sprintf("%d%d", v.RepetitionLevel(), v.DefinitionLevel())
				if !v.IsNull() {
					entry += "=" + v.String()
				}
				text = append(text, entry)
			}
		}
		pages.Close()
	}
	return strings.Join(text, " ")
}

// TestLevels has a trace of two resources, three scopes and four spans, and one
// of a single span, whose levels were written by hand from the format.
func TestLevels(t *testing.T) {
	span := func(trace byte, id byte, s blocktest.Span) blocktest.Span {
		s.TraceID = append(make([]byte, 15), trace)
		s.SpanID = binary.BigEndian.AppendUint64(nil, uint64(id))
		return s
	}
	attr := func(k string, v any) blocktest.Attr { return blocktest.Attr{Key: k, Value: v} }
	batches := []blocktest.ResourceSpans{
		{
			Resource: blocktest.Resource{Attrs: []blocktest.Attr{attr("service.name", "A"), attr("x", "1"), attr("y", []any{"2", "3"}), attr("pod", "p")}},
			Scopes: []blocktest.ScopeSpans{
				{Scope: blocktest.Scope{Name: "s1", Attrs: []blocktest.Attr{attr("k", int64(7))}}, Spans: []blocktest.Span{
					span(1, 1, blocktest.Span{Name: "a", Attrs: []blocktest.Attr{attr("m", "v"), attr("n", []any{int64(1), int64(2), int64(3)}), attr("o", []any{}), attr("p", []byte{1})}}),
					span(1, 2, blocktest.Span{Name: "b"}),
				}},
				{Scope: blocktest.Scope{Name: "s2"}, Spans: []blocktest.Span{
					span(1, 3, blocktest.Span{
						Name: "c", Attrs: []blocktest.Attr{attr("m", "w"), attr("http.status_code", int64(200))},
						Events: []blocktest.Event{{Name: "e1", Attrs: []blocktest.Attr{attr("f", []any{"g", "h"}), attr("i", "j")}}, {Name: "e2"}},
						Links:  []blocktest.Link{{TraceID: []byte("t"), SpanID: []byte("s")}},
					}),
				}},
			},
		},
		{Scopes: []blocktest.ScopeSpans{{Spans: []blocktest.Span{span(1, 4, blocktest.Span{Name: "d"}), span(2, 5, blocktest.Span{Name: "z"})}}}},
	}
	dir, _, _ := build(t, [][]byte{blocktest.Append(nil, batches...)}, BuilderOptions{})
	file := openParquet(t, filepath.Join(dir, DataName))
	for column, want := range map[string]string{
		"RootSpanName":                             "00=d 00=z",
		"ServiceStats.key":                         "01=A 11= 01=",
		"ServiceStats.value.SpanCount":             "01=3 11=1 01=1",
		"rs.Resource.ServiceName":                  "01=A 11= 01=",
		"rs.Resource.Pod":                          "02=p 11 01",
		"rs.Resource.Cluster":                      "01 11 01",
		"rs.Resource.Attrs.Key":                    "02=x 22=y 11 01",
		"rs.Resource.Attrs.IsArray":                "02=false 22=true 11 01",
		"rs.Resource.Attrs.Value":                  "03=1 23=2 33=3 11 01",
		"rs.Resource.Attrs.ValueInt":               "02 22 11 01",
		"rs.ss.Scope.Name":                         "02=s1 22=s2 12= 02=",
		"rs.ss.Scope.Attrs.Key":                    "03=k 22 12 02",
		"rs.ss.Scope.Attrs.ValueInt":               "04=7 22 12 02",
		"rs.ss.Spans.Name":                         "03=a 33=b 23=c 13=d 03=z",
		"rs.ss.Spans.HttpStatusCode":               "03 33 24=200 13 03",
		"rs.ss.Spans.Attrs.Key":                    "04=m 44=n 44=o 44=p 33 24=m 13 03",
		"rs.ss.Spans.Attrs.IsArray":                "04=false 44=true 44=true 44=false 33 24=false 13 03",
		"rs.ss.Spans.Attrs.Value":                  "05=v 44 44 44 33 25=w 13 03",
		"rs.ss.Spans.Attrs.ValueInt":               "04 45=1 55=2 55=3 44 44 33 24 13 03",
		"rs.ss.Spans.Attrs.ValueBool":              "04 44 44 44 33 24 13 03",
		"rs.ss.Spans.Events.Name":                  "03 33 24=e1 44=e2 13 03",
		"rs.ss.Spans.Events.Attrs.Key":             "03 33 25=f 55=i 44 13 03",
		"rs.ss.Spans.Links.TraceID":                "03 33 24=t 13 03",
		"rs.ss.Spans.Links.Attrs.Value":            "03 33 24 13 03",
		"rs.ss.Spans.Events.Attrs.Value":           "03 33 26=g 66=h 56=j 44 13 03",
		"rs.ss.Spans.Attrs.ValueUnsupported":       `04 44 44 45={"bytesValue":"AQ=="} 33 24 13 03`,
		"rs.ss.Spans.DedicatedAttributes.String10": "03 33 23 13 03",
	} {
		if got := levels(t, file, column); got != want {
			t.Errorf("%s is\n%s, want\n%s", column, got, want)
		}
	}
}
