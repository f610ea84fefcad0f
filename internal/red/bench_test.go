package red

import (
	"encoding/binary"
	"fmt"
	"testing"

	"appliance/internal/otlpwire"
)

// BenchmarkTally is what counting a span costs, edges included: a request has
// 512 spans of twenty operations, of which half are of a server and half of the
// client that called it.
func BenchmarkTally(b *testing.B) {
	const spans = 512
	m := open(b, nil)
	names := make([][]byte, 20)
	for i := range names {
		names[i] = fmt.Appendf(nil, "GET /api/v1/orders/%d", i)
	}
	service, peer := []byte("checkout"), []byte("shop.example.com")
	request := make([]otlpwire.Span, spans)
	ids := make([]byte, 32*spans)
	for i := range request {
		id := ids[32*i:][:32]
		binary.LittleEndian.PutUint64(id[24:], 7)
		sp := otlpwire.Span{
			TraceID: id[:16], SpanID: id[16:24], Name: names[i%20], Service: service, ServerAddress: peer, Kind: clientKind,
			StartTime: 1e18, EndTime: 1e18 + uint64(i*i)*1e4, Bytes: 400,
		}
		if i%2 == 1 { // of the client's span before
			id = ids[32*(i-1):][:32]
			sp.TraceID, sp.SpanID, sp.ParentSpanID, sp.Kind = id[:16], id[24:], id[16:24], serverKind
		}
		request[i] = sp
	}
	n := uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		t := m.Tally("")
		for i := range request {
			if i%2 == 0 {
				n++
				binary.LittleEndian.PutUint64(ids[32*i:], n)
			}
			t.Add(&request[i], i%10 == 0)
		}
		t.Commit()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/spans, "ns/span")
}
