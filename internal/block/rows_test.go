package block

import (
	"errors"
	"io"
	"testing"

	"github.com/parquet-go/parquet-go"
)

// The rows of vParquet4 as parquet-go reads them, by what BLOCKS' schema says.
type rowTrace struct {
	TraceID           []byte
	TraceIDText       string
	StartTimeUnixNano uint64
	EndTimeUnixNano   uint64
	DurationNano      uint64
	RootServiceName   string
	RootSpanName      string
	ServiceStats      map[string]rowStats
	Resources         []rowResourceSpans `parquet:"rs,list"`
}

type rowStats struct{ SpanCount, ErrorCount uint32 }

type rowResourceSpans struct {
	Resource rowResource
	Scopes   []rowScopeSpans `parquet:"ss,list"`
}

type rowResource struct {
	Attrs                  []rowAttr `parquet:",list"`
	DroppedAttributesCount int32
	ServiceName            string
	Cluster                *string `parquet:",optional"`
	Namespace              *string `parquet:",optional"`
	Pod                    *string `parquet:",optional"`
	Container              *string `parquet:",optional"`
	K8sClusterName         *string `parquet:",optional"`
	K8sNamespaceName       *string `parquet:",optional"`
	K8sPodName             *string `parquet:",optional"`
	K8sContainerName       *string `parquet:",optional"`
}

type rowScopeSpans struct {
	Scope rowScope
	Spans []rowSpan `parquet:",list"`
}

type rowScope struct {
	Name, Version          string
	Attrs                  []rowAttr `parquet:",list"`
	DroppedAttributesCount int32
}

type rowAttr struct {
	Key              string
	IsArray          bool
	Value            []string  `parquet:",list"`
	ValueInt         []int64   `parquet:",list"`
	ValueDouble      []float64 `parquet:",list"`
	ValueBool        []bool    `parquet:",list"`
	ValueUnsupported *string   `parquet:",optional"`
}

type rowSpan struct {
	SpanID, ParentSpanID   []byte
	ParentID               int32
	NestedSetLeft          int32
	NestedSetRight         int32
	Name                   string
	Kind                   int64
	TraceState             string
	StartTimeUnixNano      uint64
	DurationNano           uint64
	StatusCode             int64
	StatusMessage          string
	Attrs                  []rowAttr `parquet:",list"`
	DroppedAttributesCount int32
	Events                 []rowEvent `parquet:",list"`
	DroppedEventsCount     int32
	Links                  []rowLink `parquet:",list"`
	DroppedLinksCount      int32
	HttpMethod             *string `parquet:",optional"`
	HttpUrl                *string `parquet:",optional"`
	HttpStatusCode         *int64  `parquet:",optional"`
}

type rowEvent struct {
	TimeSinceStartNano     uint64
	Name                   string
	Attrs                  []rowAttr `parquet:",list"`
	DroppedAttributesCount int32
}

type rowLink struct {
	TraceID, SpanID        []byte
	TraceState             string
	Attrs                  []rowAttr `parquet:",list"`
	DroppedAttributesCount int32
}

// readRows reads all rows of a data.parquet with parquet-go.
func readRows(t *testing.T, name string) []rowTrace {
	t.Helper()
	file := openParquet(t, name)
	r := parquet.NewGenericReader[rowTrace](file)
	defer r.Close()
	var rows []rowTrace
	for {
		buf := make([]rowTrace, 10)
		n, err := r.Read(buf)
		rows = append(rows, buf[:n]...)
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if int64(len(rows)) != file.NumRows() {
		t.Fatalf("%d rows, the footer says %d", len(rows), file.NumRows())
	}
	return rows
}
