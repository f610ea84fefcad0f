//go:build peers

package store_test

import (
	"fmt"
	"testing"

	"appliance/archive/store"
	"appliance/archive/store/storetest"
)

func openURL(t *testing.T, url string) store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), url, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestBucketConforms(t *testing.T) {
	g := storetest.StartGateway(t)
	for i, prefix := range []string{"", "/some/prefix"} {
		t.Run("prefix="+prefix, func(t *testing.T) {
			n := 0
			storetest.Run(t, func(t *testing.T) store.Store {
				n++
				bucket := fmt.Sprintf("bucket-%d-%d", i, n)
				g.Bucket(t, bucket)
				return openURL(t, g.URL(bucket+prefix, ""))
			}, 8<<20)
		})
	}
}
