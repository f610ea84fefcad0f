package archive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"appliance/archive/store"
	"appliance/internal/block"
	"appliance/internal/otlpwire"
)

// Usage says which operations fill an archive. What was not read is taken to be
// like what was.
type Usage struct {
	Blocks     int              `json:"blocks"`
	Read       int              `json:"blocks_read"`
	Unreadable int              `json:"blocks_unreadable"` // of those that were tried
	Bytes      int64            `json:"bytes"`             // of all blocks
	Operations []OperationUsage `json:"operations"`        // the largest first
}

// OperationUsage is what spans of a service with one name take.
type OperationUsage struct {
	Tenant    string `json:"tenant"`
	Service   string `json:"service"`
	Operation string `json:"operation"`
	Spans     int64  `json:"spans"`
	Bytes     int64  `json:"bytes"` // of the blocks, in proportion to the spans' OTLP
}

// OtherOperations stands for those beyond the first 10,000 that were met.
const (
	OtherOperations   = "_overflow"
	maxUsedOperations = 10_000
)

// Usage reads at most so many blocks whole, spread over the time that the archive
// has, and stops early when ctx ends, with what it has by then. An error is one of
// the store, or that nothing could be read.
func (a *Archive) Usage(ctx context.Context, most int) (*Usage, error) {
	inv, err := takeInventory(ctx, a.store)
	if err != nil {
		return nil, err
	}
	u := &Usage{Blocks: len(inv.archived), Bytes: inv.bytes(), Operations: []OperationUsage{}}
	if u.Blocks == 0 {
		return u, nil
	}
	blocks := slices.Clone(inv.archived)
	slices.SortStableFunc(blocks, func(x, y entry) int { return cmp.Compare(x.end, y.end) })
	sum := usageSum{operations: map[usageKey]*usageCount{}}
	var first error
	for _, n := range spreadOver(len(blocks), most) {
		err := a.addUsage(ctx, &sum, &blocks[n])
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			u.Unreadable++
			first = cmp.Or(first, err)
			continue
		}
		u.Read++
	}
	if u.Read == 0 {
		return nil, fmt.Errorf("read what is in %d archived blocks: %w", u.Blocks, errors.Join(first, ctx.Err()))
	}
	u.Operations = sum.scaled(u.Bytes)
	return u, nil
}

// spreadOver chooses so many of n places, in such an order that what comes first
// is spread over all of them too.
func spreadOver(n, most int) []int {
	var out []int
	seen := make([]bool, n)
	for parts := 1; len(out) < min(n, most); parts *= 2 {
		for i := range parts {
			at := (2*i + 1) * n / (2 * parts)
			if !seen[at] && len(out) < most {
				seen[at] = true
				out = append(out, at)
			}
		}
	}
	return out
}

type usageKey struct{ tenant, service, operation string }

type usageCount struct {
	spans int64
	bytes float64
}

// usageSum adds up blocks.
type usageSum struct {
	operations map[usageKey]*usageCount
	bytes      float64 // of the blocks that were read
}

func (s *usageSum) of(k usageKey) *usageCount {
	c := s.operations[k]
	if c == nil && len(s.operations) >= maxUsedOperations {
		k.service, k.operation = OtherOperations, OtherOperations
		c = s.operations[k]
	}
	if c == nil {
		c = new(usageCount)
		s.operations[k] = c
	}
	return c
}

// scaled is what all blocks together have, if the others are like those.
func (s *usageSum) scaled(bytes int64) []OperationUsage {
	scale := 0.0
	if s.bytes > 0 {
		scale = float64(bytes) / s.bytes
	}
	out := make([]OperationUsage, 0, len(s.operations))
	for k, c := range s.operations {
		out = append(out, OperationUsage{k.tenant, k.service, k.operation, int64(float64(c.spans)*scale + 0.5), int64(c.bytes*scale + 0.5)})
	}
	slices.SortFunc(out, func(x, y OperationUsage) int {
		return cmp.Or(cmp.Compare(y.Bytes, x.Bytes), cmp.Compare(x.Service, y.Service), cmp.Compare(x.Operation, y.Operation), cmp.Compare(x.Tenant, y.Tenant))
	})
	return out
}

// addUsage reads a block. One that cannot be read whole adds nothing.
func (a *Archive) addUsage(ctx context.Context, sum *usageSum, e *entry) error {
	files := block.OpenFiles(func(name string) (block.File, error) {
		o, err := a.store.Open(ctx, ObjectName(e.tenant, e.block, name))
		if err != nil {
			return nil, err
		}
		return blockFile{o}, nil
	})
	defer files.Close()
	b, err := block.Open(ctx, files, block.Options{})
	if err != nil {
		return err
	}
	own := map[usageKey]*usageCount{}
	var total float64
	limits := otlpwire.Limits{MaxDepth: otlpwire.StoredDepth}
	for trace, err := range b.Traces(ctx) {
		if err == nil {
			_, err = limits.Walk(trace, func(s *otlpwire.Span) {
				k := usageKey{e.tenant, string(s.Service), string(s.Name)}
				c := own[k]
				if c == nil {
					c = new(usageCount)
					own[k] = c
				}
				c.spans++
				c.bytes += float64(s.Bytes)
				total += float64(s.Bytes)
			})
		}
		if err != nil {
			return fmt.Errorf("read block %s: %w", e.ref, err)
		}
	}
	if total == 0 {
		return nil
	}
	sum.bytes += float64(e.bytes)
	for k, c := range own {
		all := sum.of(k)
		all.spans += c.spans
		all.bytes += c.bytes / total * float64(e.bytes)
	}
	return nil
}

// blockFile is an object as a file of a block.
type blockFile struct{ store.Object }

func (f blockFile) Size() (int64, error) { return f.Object.Size(), nil }
