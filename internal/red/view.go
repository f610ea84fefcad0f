package red

// View is all counts at one moment. They were saved before they are shown, so
// that no crash takes back what somebody has seen: to Prometheus a counter that
// goes back began at zero, and all of it is counted once more.
type View struct {
	m *Meter
	s *snapshot
}

// View is what was saved last. While the disk takes no save it is what is
// counted now, since numbers that stand still help nobody.
func (m *Meter) View() *View {
	s := m.saved.Load()
	if s == nil {
		s = m.snapshot()
	}
	return &View{m, s}
}

// Series calls visit for each series of spans.
func (v *View) Series(visit func(*Series)) {
	for i := range v.s.series {
		at := &v.s.series[i]
		visit(&Series{
			Tenant: at.key.tenant, Service: at.key.service, Name: at.key.name, Kind: kindNames[at.key.kind], Status: statusNames[at.key.status],
			Latency: at.latency, Bytes: at.bytes, Kept: at.kept, KeptBytes: at.keptBytes, Examples: at.value.examples.list(v.m.verdict, 0),
		})
	}
}

// Edges calls visit for each edge of the graph.
func (v *View) Edges(visit func(*EdgeSeries)) {
	for i := range v.s.edges {
		at := &v.s.edges[i]
		visit(&EdgeSeries{
			Tenant: at.tenant, Client: at.client, Server: at.server, Type: connectionTypes[at.key.kind],
			Failed: at.edgeTotals.failed, ClientTime: at.edgeTotals.clientTime, ServerTime: at.edgeTotals.serverTime,
			Examples: append(at.examples[0].list(v.m.verdict, 0), at.examples[1].list(v.m.verdict, 0)...),
		})
	}
}

// Status is how much there is now. What it counts is that of the view.
func (v *View) Status() Status {
	s := v.m.Status()
	s.Overflowed, s.Unpaired, s.Dropped = v.s.overflowed+v.s.edgeOverflow, v.s.unpaired, v.s.dropped
	return s
}
