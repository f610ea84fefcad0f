package forwarder

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// Tenants never share a request, the records of a tenant go in their order, and
// one that is larger than a request goes all the same.
func TestBatches(t *testing.T) {
	k, s := newTempo(t), openSpool(t, t.TempDir())
	var want [3][]id
	for i := range 60 {
		tenant := i / 2 % 3
		n := 5
		if i%20 == 7 {
			n = 400 // above BatchBytes
		}
		spans := upTo(1000*i, n)
		keep(t, s, fmt.Sprint("tenant-", tenant), spans...)
		want[tenant] = append(want[tenant], spans...)
	}
	o := k.options(s)
	o.batch = 4 << 10
	f := New(o)
	// so that requests of a tenant come in order, however slow the machine is
	f.lanes.most, f.lanes.patience = 1, time.Minute
	k.run(f)
	total := len(want[0]) + len(want[1]) + len(want[2])
	k.gets(total)
	var got [3][]id
	for _, r := range k.got() {
		var tenant int
		if _, err := fmt.Sscanf(r.tenant, "tenant-%d", &tenant); err != nil {
			t.Fatal(err)
		}
		got[tenant] = append(got[tenant], r.spans...)
	}
	for i := range want {
		if !slices.Equal(got[i], want[i]) {
			t.Errorf("tenant %d: %d spans, not the %d that were kept in their order", i, len(got[i]), len(want[i]))
		}
	}
	empty(t, s)
}

// Small records share requests.
func TestRecordsShareRequests(t *testing.T) {
	k, s := newTempo(t), openSpool(t, t.TempDir())
	for i := range 200 {
		keep(t, s, "a", numbered(i))
	}
	k.start(k.options(s))
	k.gets(200)
	if n := len(k.got()); n > 10 {
		t.Errorf("200 records of a span took %d requests", n)
	}
}
