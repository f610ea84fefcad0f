package oracle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"
)

// The columns of a block's data.parquet that the formula fills, after
// tempodb/encoding/vparquet4 of Tempo.
type (
	blockTrace struct {
		TraceID       []byte
		ResourceSpans []struct {
			Resource struct {
				ServiceName string
			} `parquet:""`
			ScopeSpans []struct {
				Spans []blockSpan `parquet:",list"`
			} `parquet:"ss,list"`
		} `parquet:"rs,list"`
	}
	blockSpan struct {
		SpanID            []byte
		ParentSpanID      []byte
		TraceState        string
		Name              string
		Kind              int
		StartTimeUnixNano uint64
		DurationNano      uint64
		StatusCode        int
		StatusMessage     string
		Attrs             []blockAttribute `parquet:",list"`
		Events            []struct {
			TimeSinceStartNano uint64
			Name               string
		} `parquet:",list"`
		Links []struct {
			TraceID []byte
			SpanID  []byte
		} `parquet:",list"`
		HttpMethod     *string `parquet:",optional"`
		HttpStatusCode *int64  `parquet:",optional"`
	}
	blockAttribute struct {
		Key         string
		Value       []string  `parquet:",list"`
		ValueInt    []int64   `parquet:",list"`
		ValueDouble []float64 `parquet:",list"`
	}
)

// blocks lists the finished blocks below directories of Tempo's, as paths of their data.
func blocks(dirs ...string) ([]string, error) {
	var data []string
	for _, dir := range dirs {
		// also meta.compacted.json, of a Tempo elsewhere
		metas, err := filepath.Glob(filepath.Join(dir, "*", "*", "meta.*json"))
		if err != nil {
			return nil, err
		}
		for _, m := range metas {
			// what an appliance is making
			if !strings.HasPrefix(filepath.Base(filepath.Dir(filepath.Dir(m))), "@") {
				data = append(data, filepath.Join(filepath.Dir(m), "data.parquet"))
			}
		}
	}
	return data, nil
}

// changing says what of a store's blocks has changed, or is about to. Empty:
// they are those that were listed.
func changing(store string, listed []string) (string, error) {
	commits, err := filepath.Glob(filepath.Join(store, "@commits", "*"))
	if err != nil {
		return "", err
	}
	now, err := blocks(store)
	switch {
	case err != nil:
		return "", err
	case len(commits) > 0:
		return fmt.Sprintf("%d merges are being carried out", len(commits)), nil
	case !slices.Equal(now, listed):
		return fmt.Sprintf("%d blocks became %d", len(listed), len(now)), nil
	}
	return "", nil
}

// changes says whether the blocks of a store are others than those that were
// listed, after a pause, or are about to be. After the deadline that is an error.
func changes(store string, listed []string, deadline time.Time) (bool, error) {
	what, err := changing(store, listed)
	if err != nil || what == "" {
		return false, err
	}
	if time.Now().After(deadline) {
		return false, fmt.Errorf("the blocks of %s do not come to rest: %s", store, what)
	}
	pause(context.Background(), 200*time.Millisecond)
	return true, nil
}

// States reads the tracestate of a span of each trace in the finished blocks of
// a store, by the trace's id. It reads again while blocks come and go, until
// patience ends.
func States(patience time.Duration, store string) (map[[16]byte]string, error) {
	for deadline := time.Now().Add(patience); ; {
		paths, err := blocks(store)
		if err != nil {
			return nil, err
		}
		found := map[[16]byte]string{}
		for _, path := range paths {
			if err := readBlock(path, func(c content, state string) { found[c.traceID] = state }); err != nil {
				return nil, err
			}
		}
		if again, err := changes(store, paths, deadline); err != nil || !again {
			return found, err
		}
	}
}

// readBlock calls visit with each span of a block, and its tracestate, which the
// sampler writes. A block that is gone has none.
func readBlock(path string, visit func(content, string)) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	file, err := parquet.OpenFile(f, info.Size(), parquet.SkipBloomFilters(true), parquet.SkipPageIndex(true))
	if err != nil {
		return fmt.Errorf("open %s of %d bytes: %w", path, info.Size(), err)
	}
	r := parquet.NewGenericReader[blockTrace](file)
	defer func() { _ = r.Close() }() // only read from
	// One at a time: what was read of a row may lie in a buffer that the next row group reuses.
	for rows := make([]blockTrace, 1); ; {
		n, err := r.Read(rows)
		for i := range rows[:n] {
			for _, rs := range rows[i].ResourceSpans {
				for _, ss := range rs.ScopeSpans {
					for j := range ss.Spans {
						s := &ss.Spans[j]
						visit(s.content(rows[i].TraceID, rs.Resource.ServiceName), s.TraceState)
					}
				}
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		clear(rows)
	}
}

func (s *blockSpan) content(traceID []byte, service string) content {
	c := content{
		service: service, name: s.Name, kind: int32(s.Kind), start: s.StartTimeUnixNano, end: s.StartTimeUnixNano + s.DurationNano,
		status: int32(s.StatusCode), message: s.StatusMessage,
		attributes: len(s.Attrs), events: len(s.Events), links: len(s.Links),
	}
	copy(c.traceID[:], traceID)
	copy(c.spanID[:], s.SpanID)
	copy(c.parent[:], s.ParentSpanID)
	if s.HttpMethod != nil {
		c.method = *s.HttpMethod
		c.attributes++
	}
	if s.HttpStatusCode != nil {
		c.code = *s.HttpStatusCode
		c.attributes++
	}
	for _, a := range s.Attrs {
		switch {
		case a.Key == "oracle.number" && len(a.ValueInt) == 1:
			c.number = a.ValueInt[0]
		case a.Key == "oracle.share" && len(a.ValueDouble) == 1:
			c.share = a.ValueDouble[0]
		case a.Key == "oracle.text" && len(a.Value) == 1:
			c.text = a.Value[0]
		}
	}
	for _, e := range s.Events {
		c.event, c.eventAt = e.Name, s.StartTimeUnixNano+e.TimeSinceStartNano
	}
	for _, l := range s.Links {
		copy(c.linkTrace[:], l.TraceID)
		copy(c.linkSpan[:], l.SpanID)
	}
	return c
}
