// Package querier answers the questions of the read API about every span that
// there is: those that are acknowledged and in no block yet, those in the
// store's blocks, and those in the archive's.
package querier

import (
	"context"
	"log/slog"
	"time"

	"appliance/internal/blockstore"
	"appliance/internal/readapi"
)

// Options of a Querier. The zero value of a number means its default.
type Options struct {
	Store   *blockstore.Store // nil with a Tempo elsewhere
	Archive Archive           // nil without one
	Logger  *slog.Logger
	// Memory bounds what one query holds of decoded columns and whole traces, in
	// bytes. Default 64 MiB.
	Memory int64
	// Bytes bounds what one query reads and decodes. Default 16 GiB.
	Bytes int64
	// Timeout bounds the time of one query. Default 60 s.
	Timeout time.Duration
}

// Querier is the readapi.Engine over the store and the archive.
type Querier struct {
	opt Options
}

var _ readapi.Engine = (*Querier)(nil)

// New makes a Querier.
func New(o Options) *Querier { return &Querier{opt: o} }

// Close ends what goes on in the background. No query may be under way.
func (q *Querier) Close() {}

// Trace implements readapi.Engine.
func (q *Querier) Trace(context.Context, readapi.TraceRequest) (*readapi.TraceAnswer, error) {
	return nil, readapi.ErrUnavailable
}

// Search implements readapi.Engine.
func (q *Querier) Search(context.Context, readapi.SearchRequest, readapi.Found) (*readapi.SearchAnswer, error) {
	return nil, readapi.ErrUnavailable
}

// Tags implements readapi.Engine.
func (q *Querier) Tags(context.Context, readapi.TagsRequest) (*readapi.TagsAnswer, error) {
	return nil, readapi.ErrUnavailable
}

// TagValues implements readapi.Engine.
func (q *Querier) TagValues(context.Context, readapi.TagValuesRequest) (*readapi.TagValuesAnswer, error) {
	return nil, readapi.ErrUnavailable
}

// Metrics implements readapi.Engine.
func (q *Querier) Metrics(context.Context, readapi.MetricsRequest) (*readapi.MetricsAnswer, error) {
	return nil, readapi.ErrUnavailable
}
