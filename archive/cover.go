package archive

import (
	"context"
	"slices"

	"appliance/archive/store"
	"appliance/internal/blockids"
)

// coverTokens is how many spans' tokens are held at a time: 32 MiB, and 4 MiB to check them off.
const coverTokens = 4 << 20

// covered says whether each span of b, a product of Tempo's compaction, is in an archived block. Tempo keeps no record
// of which blocks went into one, so the spans themselves are compared: those of the archived blocks of its tenant that
// overlap it in time. A block whose columns are not known is never covered.
//
// Memory is bounded: a block of more spans is compared in several passes, each over its share of the tokens.
func covered(ctx context.Context, src Source, b *sourceBlock, dst store.Store, archived []entry) (bool, error) {
	if !blockids.Readable(b.meta.Format) {
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
	passes := uint64(found.spans)/coverTokens + 1
	for pass := range passes {
		if ok, err := coveredPass(ctx, src, b, dst, candidates, pass, passes); err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

func coveredPass(ctx context.Context, src Source, b *sourceBlock, dst store.Store, candidates []entry, pass, passes uint64) (bool, error) {
	var tokens []uint64
	err := visitTokens(ctx, src, b.tenant, b.id, func(token uint64) bool {
		if token%passes == pass {
			tokens = append(tokens, token)
		}
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
		err := visitTokens(ctx, dst, e.tenant, e.block, func(token uint64) bool {
			if token%passes != pass {
				return true
			}
			if i, ok := slices.BinarySearch(tokens, token); ok && !seen[i] {
				seen[i] = true
				left--
			}
			return left > 0
		})
		if err != nil {
			return false, err
		}
	}
	return left == 0, nil
}

func visitTokens(ctx context.Context, src Source, tenant, block string, visit func(uint64) bool) error {
	o, err := src.Open(ctx, ObjectName(tenant, block, dataName))
	if err != nil {
		return err
	}
	defer o.Close()
	return blockids.Spans(o, o.Size(), func(traceID, spanID []byte, kind int64) bool {
		return visit(blockids.Token(0, traceID, spanID, kind))
	})
}
