package archive

import (
	"context"
	"math/rand/v2"
	"slices"

	"appliance/archive/store"
	"appliance/internal/block"
)

// coverTokens is how many spans' tokens are held at a time: 32 MiB, and 4 MiB to check them off.
const coverTokens = 4 << 20

// covered says whether each span of b, a product of Tempo's compaction, is in
// an archived block. Tempo keeps no record of which blocks went into one, so
// the spans themselves are compared: those of the archived blocks of its tenant
// that overlap it in time. A block whose columns are not known is never
// covered.
//
// Memory is bounded: a block of more spans is compared in several passes, each
// over its share of the tokens.
func covered(ctx context.Context, src Source, b *sourceBlock, dst store.Store, archived []entry) (bool, error) {
	if !block.Readable(b.meta.Format) {
		return false, nil
	}
	found, err := b.check(ctx, src)
	if err != nil {
		return false, err
	}
	var candidates []entry
	start, end := b.meta.StartTime.Unix(), b.meta.EndTime.Unix()
	for _, e := range archived {
		if e.tenant == b.tenant && e.digest != "" && e.start <= end && e.end >= start {
			candidates = append(candidates, e)
		}
	}
	s := share{seed: rand.Uint64(), of: uint64(found.spans)/coverTokens + 1}
	for ; s.number < s.of; s.number++ {
		if ok, err := s.covered(ctx, src, b, dst, candidates); err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

// share is a part of all tokens. The seed is a secret, so that nobody can
// choose ids whose tokens are those of others.
type share struct{ seed, number, of uint64 }

func (s share) covered(ctx context.Context, src Source, b *sourceBlock, dst store.Store, candidates []entry) (bool, error) {
	var tokens []uint64
	err := s.visit(ctx, src, b.tenant, b.id, func(token uint64) bool {
		tokens = append(tokens, token)
		return true
	})
	if err != nil {
		return false, err
	}
	slices.Sort(tokens)
	tokens = slices.Compact(tokens)
	seen := make([]bool, len(tokens))
	left := len(tokens)
	for _, e := range candidates {
		if left == 0 {
			break
		}
		err := s.visit(ctx, dst, e.tenant, e.block, func(token uint64) bool {
			if i, ok := slices.BinarySearch(tokens, token); ok && !seen[i] {
				seen[i] = true
				left--
			}
			return left > 0
		})
		// An archived block that cannot be read covers nothing; then this one is copied.
		if err != nil && ctx.Err() != nil {
			return false, err
		}
	}
	return left == 0, nil
}

// visit calls visit for the tokens of a block that are in the share, until it returns false.
func (s share) visit(ctx context.Context, src Source, tenant, id string, visit func(uint64) bool) error {
	o, err := src.Open(ctx, ObjectName(tenant, id, dataName))
	if err != nil {
		return err
	}
	defer o.Close()
	return block.Spans(ctx, o, o.Size(), func(traceID, spanID []byte, kind int64) bool {
		token := block.Token(s.seed, traceID, spanID, kind)
		return token%s.of != s.number || visit(token)
	})
}
