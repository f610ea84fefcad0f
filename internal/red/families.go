package red

// Series is the count of the spans with these labels since it began, over all
// runs.
type Series struct {
	Tenant, Service, Name, Kind, Status string
	Latency                             Histogram
	Bytes, Kept, KeptBytes              uint64
	Examples                            []Example
}

// EdgeSeries is the count of calls with these labels, likewise. There are as many
// calls as Server has.
type EdgeSeries struct {
	Tenant, Client, Server, Type string
	Failed                       uint64
	ClientTime, ServerTime       Histogram
	Examples                     []Example // without a span; their times are those of Server
}

// Series calls visit for each series of spans.
func (m *Meter) Series(visit func(*Series)) {
	m.table.Load().each(func(i *series) {
		t := i.value.load()
		visit(&Series{
			Tenant: i.key.tenant, Service: i.key.service, Name: i.key.name, Kind: kindNames[i.key.kind], Status: statusNames[i.key.status],
			Latency: t.latency, Bytes: t.bytes, Kept: t.kept, KeptBytes: t.keptBytes, Examples: i.value.examples.list(m.verdict, 0),
		})
	})
}

// Edges calls visit for each edge of the graph.
func (m *Meter) Edges(visit func(*EdgeSeries)) {
	for _, e := range m.graph.all() {
		t := e.load()
		visit(&EdgeSeries{
			Tenant: e.tenant, Client: e.client, Server: e.server, Type: connectionTypes[e.key.kind],
			Failed: t.failed, ClientTime: t.clientTime, ServerTime: t.serverTime,
			Examples: append(e.examples[0].list(m.verdict, 0), e.examples[1].list(m.verdict, 0)...),
		})
	}
}
