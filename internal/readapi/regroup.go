package readapi

import (
	"github.com/gogo/protobuf/proto"
	"github.com/grafana/tempo/pkg/tempopb"
	trace "github.com/grafana/tempo/pkg/tempopb/trace/v1"
)

// regroup puts spans of equal resources together, and within those the spans of
// equal scopes. So an answer does not show in how many requests a trace came,
// nor from how many places it was read.
func regroup(tr *tempopb.Trace) error {
	if len(tr.GetResourceSpans()) < 2 {
		return nil
	}
	first := map[string]*trace.ResourceSpans{}
	var kept []*trace.ResourceSpans
	for _, rs := range tr.ResourceSpans {
		key, err := groupKey(rs.Resource, rs.SchemaUrl)
		if err != nil {
			return err
		}
		if same := first[key]; same != nil {
			same.ScopeSpans = append(same.ScopeSpans, rs.ScopeSpans...)
			continue
		}
		first[key] = rs
		kept = append(kept, rs)
	}
	tr.ResourceSpans = kept
	for _, rs := range kept {
		if err := regroupScopes(rs); err != nil {
			return err
		}
	}
	return nil
}

func regroupScopes(rs *trace.ResourceSpans) error {
	if len(rs.ScopeSpans) < 2 {
		return nil
	}
	first := map[string]*trace.ScopeSpans{}
	var kept []*trace.ScopeSpans
	for _, ss := range rs.ScopeSpans {
		key, err := groupKey(ss.Scope, ss.SchemaUrl)
		if err != nil {
			return err
		}
		if same := first[key]; same != nil {
			same.Spans = append(same.Spans, ss.Spans...)
			continue
		}
		first[key] = ss
		kept = append(kept, ss)
	}
	rs.ScopeSpans = kept
	return nil
}

// groupKey is equal for equal resources or scopes. m may be a nil pointer.
func groupKey(m proto.Message, schema string) (string, error) {
	if proto.Size(m) == 0 {
		return schema, nil
	}
	b, err := proto.Marshal(m)
	return schema + "\x00" + string(b), err
}
