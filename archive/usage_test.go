package archive

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestUsage adds up what blocks have, and takes those that are not read to be
// like those that are.
func TestUsage(t *testing.T) {
	t.Parallel()
	b := archived(t)
	var bytes, spans int64
	for _, x := range b.list(Filter{}) {
		bytes += x.Bytes
		spans += x.Spans
	}
	for _, most := range []int{1, 2, 3, 100} {
		u, err := Open(b.store).Usage(t.Context(), most)
		must(t, err)
		if u.Blocks != 3 || u.Read != min(3, most) || u.Bytes != bytes || u.Unreadable != 0 {
			t.Errorf("%+v", u)
		}
		var gotBytes, gotSpans int64
		for _, o := range u.Operations {
			gotBytes += o.Bytes
			gotSpans += o.Spans
			if o.Tenant != tenant || o.Service == "" || o.Operation == "" {
				t.Errorf("%+v", o)
			}
		}
		n := int64(len(u.Operations))
		if n == 0 || gotBytes < bytes-n || gotBytes > bytes+n {
			t.Errorf("%d blocks: operations have %d bytes, and the archive %d", most, gotBytes, bytes)
		}
		if most >= 3 && gotSpans != spans || gotSpans < spans*9/10 || gotSpans > spans*11/10 {
			t.Errorf("%d blocks: operations have %d spans, and the archive %d", most, gotSpans, spans)
		}
		if !slices.IsSortedFunc(u.Operations, func(x, y OperationUsage) int { return int(y.Bytes - x.Bytes) }) {
			t.Errorf("%+v", u.Operations)
		}
	}
	// A block that cannot be read is said to be so.
	must(t, os.WriteFile(filepath.Join(b.dst, tenant, blockB, dataName), []byte("PAR1 nothing PAR1"), 0o640))
	u, err := Open(b.store).Usage(t.Context(), 3)
	must(t, err)
	if u.Read != 2 || u.Unreadable != 1 {
		t.Errorf("%d were read and %d could not be", u.Read, u.Unreadable)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := Open(b.store).Usage(ended, 3); err == nil {
		t.Error("nothing was read, and there is no error")
	}
}

func TestSpreadOver(t *testing.T) {
	t.Parallel()
	for n := range 40 {
		for most := range 45 {
			got := spreadOver(n, most)
			if len(got) != min(n, most) {
				t.Fatalf("%d of %d are %v", most, n, got)
			}
			slices.Sort(got)
			if len(slices.Compact(got)) != min(n, most) {
				t.Fatalf("%d of %d are %v", most, n, got)
			}
		}
	}
	if got := spreadOver(100, 3); !slices.Equal(got, []int{50, 25, 75}) {
		t.Errorf("three of 100 are %v", got)
	}
}
