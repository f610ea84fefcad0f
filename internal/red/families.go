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
