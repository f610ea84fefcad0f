package block

import (
	"sync"
	"testing"
)

// The bytes of shapes are counted once, though several read one at the same time.
func TestShapeBytes(t *testing.T) {
	b := openBlock(t, "testdata/tempo-2.7.2/level1")
	for range 2 {
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				if _, err := b.RowGroup(0).Shape(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if got, want := b.ShapeBytes(), b.shapes[0].Load().bytes(); got != want || got == 0 {
			t.Errorf("shapes take %d bytes, and %d are counted", want, got)
		}
		if b.DropShapes(); b.ShapeBytes() != 0 {
			t.Errorf("%d bytes are counted where there is no shape", b.ShapeBytes())
		}
	}
}
