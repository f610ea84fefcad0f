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
		visit(&EdgeSeries{e.tenant, e.client, e.server, connectionTypes[e.key.kind], t.failed, t.clientTime, t.serverTime})
	}
}
