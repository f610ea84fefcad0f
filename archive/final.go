package archive

import (
	"context"
	"iter"
	"strings"

	"appliance/archive/store"
)

// OnlyFinal is a source without those blocks that final refuses: they are not
// in its listings. final is asked of every directory inside of a directory at
// the root, whatever it is. nil: nothing is left out.
func OnlyFinal(src Source, final func(tenant, block string) bool) Source {
	if final == nil {
		return src
	}
	return finalSource{src, final}
}

type finalSource struct {
	Source
	final func(tenant, block string) bool
}

func (s finalSource) List(ctx context.Context, dir string) iter.Seq2[store.Entry, error] {
	all := s.Source.List(ctx, dir)
	if dir == "." || strings.Contains(dir, "/") {
		return all
	}
	return func(yield func(store.Entry, error) bool) {
		for e, err := range all {
			if err == nil && e.Dir && !s.final(dir, e.Name) {
				continue
			}
			if !yield(e, err) {
				return
			}
		}
	}
}
