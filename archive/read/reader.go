package read

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/grafana/tempo/tempodb/encoding/common"
	"golang.org/x/sync/semaphore"

	"appliance/archive/store"
)

// Options of a Reader. Zero means the default.
type Options struct {
	// Parallel is how many blocks are searched at once, all requests together. Each takes a few MiB, and in a search
	// for thousands of traces about 15. Default 2.
	Parallel int
	// MaxTraceBytes bounds a trace that is put together of several blocks, in bytes of its protobuf; what is above is
	// left out and the answer is partial. Default 50 MiB, which is what the embedded Tempo takes.
	MaxTraceBytes int
	// MaxTraceSpans bounds the spans that one block may hold of a trace: Tempo's decoder takes about 12 KiB for each,
	// all at once. A block that holds more is left out and named. Default 10,000.
	MaxTraceSpans int
	// MaxResultBytes bounds what a search or a list of tags collects, in bytes of its protobuf. Default 16 MiB.
	MaxResultBytes int
	// Refresh is how old the list of blocks may be; a list that took long to read may be older, up to ten times what it
	// took. Default 1 s.
	Refresh time.Duration
}

// Reader reads an archive. Its methods may be called at the same time.
type Reader struct {
	store   store.Store
	options Options
	open    *semaphore.Weighted // blocks that are searched

	mu      sync.Mutex
	tenants map[string]*tenantBlocks
}

// New makes a Reader of the archive in st, which stays the caller's to close.
func New(st store.Store, o Options) *Reader {
	o.Parallel = cmp.Or(o.Parallel, 2)
	o.MaxTraceBytes = cmp.Or(o.MaxTraceBytes, 50<<20)
	o.MaxTraceSpans = cmp.Or(o.MaxTraceSpans, 10_000)
	o.MaxResultBytes = cmp.Or(o.MaxResultBytes, 16<<20)
	o.Refresh = cmp.Or(o.Refresh, time.Second)
	return &Reader{store: st, options: o, open: semaphore.NewWeighted(int64(o.Parallel)), tenants: map[string]*tenantBlocks{}}
}

// A Missing block is one that an answer lacks.
type Missing struct {
	Tenant, Block string
	Err           error
}

func (m *Missing) Error() string {
	return fmt.Sprintf("archived block %s of tenant %s cannot be read: %v", m.Block, m.Tenant, m.Err)
}

func (m *Missing) Unwrap() error { return m.Err }

// A RequestError says that the question itself cannot be answered, by no block.
type RequestError struct{ Err error }

func (e *RequestError) Error() string { return e.Err.Error() }
func (e *RequestError) Unwrap() error { return e.Err }

// BadRequest marks the error for those that answer HTTP.
func (e *RequestError) BadRequest() {}

// abort ends a search with an error of the one who asked.
type abort struct{ error }

// errEnough ends a search that has all it may return.
var errEnough = errors.New("enough")

// searchOptions keeps Tempo's read buffers small; its default is 32 of 1 MiB for each column.
func searchOptions() common.SearchOptions {
	return common.SearchOptions{ReadBufferCount: 2, ReadBufferSize: 64 << 10, ChunkSizeBytes: 1 << 20}
}

// each calls visit for blocks, in their order, as many at a time as weigh Parallel together, until all are visited or visit returns errEnough. The
// blocks that fail are returned as Missing. The error is ctx's, or that of an abort.
func (r *Reader) each(ctx context.Context, tenant string, blocks []*block, weight int, visit func(context.Context, *block, *openBlock) error) ([]error, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// After enough no other block is begun; those under way go on, since they may hold something newer.
	more, enough := context.WithCancel(ctx)
	defer enough()
	var (
		wg      sync.WaitGroup
		mu      sync.Mutex
		missing []error
	)
	for _, b := range blocks {
		if r.open.Acquire(more, int64(weight)) != nil {
			break
		}
		wg.Go(func() {
			defer r.open.Release(int64(weight))
			var aborted *abort
			switch err := r.visit(ctx, tenant, b, visit); {
			case err == nil:
			case ctx.Err() != nil:
			case errors.Is(err, errEnough):
				enough()
			case errors.As(err, &aborted):
				cancel(aborted.error)
			case r.pruned(ctx, tenant, b):
			default:
				mu.Lock()
				missing = append(missing, &Missing{Tenant: tenant, Block: b.id.String(), Err: err})
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	return missing, nil
}

// visit opens one block. Tempo's decoders may panic on damaged bytes; that is the block's fault, not ours.
func (r *Reader) visit(ctx context.Context, tenant string, b *block, visit func(context.Context, *block, *openBlock) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			buf := make([]byte, 4<<10)
			buf = buf[:runtime.Stack(buf, false)]
			err = fmt.Errorf("damaged: decoding it panics: %v at %s", p, panicSite(string(buf)))
		}
	}()
	open, err := r.openBlock(ctx, tenant, b)
	if err != nil {
		return err
	}
	defer open.close()
	return visit(ctx, b, open)
}

// panicSite is the file and line where a panic came from: the frame after that of panic itself.
func panicSite(stack string) string {
	_, after, found := strings.Cut(stack, "\npanic(")
	if !found {
		return "unknown place"
	}
	lines := strings.SplitN(after, "\n", 5)
	if len(lines) < 4 {
		return "unknown place"
	}
	site, _, _ := strings.Cut(strings.TrimSpace(lines[3]), " ")
	return site
}
