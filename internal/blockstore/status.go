package blockstore

import "time"

// counts are of this process, under the store's lock.
type counts struct {
	blocks, spans, copies       int64 // cut from the spool
	merges, deleted, unreadable int64
	lastErr                     string
}

func (c *counts) cut(b *Block) {
	c.blocks++
	c.spans += b.Lineage.Spans
	c.copies += b.Lineage.Copies
}

// Status is how the store is.
type Status struct {
	Blocks int       `json:"blocks"`          // in place
	Bytes  int64     `json:"bytes"`           // of their data files
	Oldest time.Time `json:"oldest,omitzero"` // span in them
	// of these; they are archived only once they are merged
	ToMerge    int    `json:"blocks_to_merge"`
	LiveSpans  int64  `json:"live_spans"` // in no block yet
	Cut        int64  `json:"blocks_cut"` // by this process, as the following
	Spans      int64  `json:"spans_cut"`
	Copies     int64  `json:"copies"` // equal copies that were left out
	Merges     int64  `json:"merges"`
	Deleted    int64  `json:"blocks_deleted"`
	Unreadable int64  `json:"blocks_unreadable"` // at the start, or to be merged
	LastError  string `json:"last_error,omitempty"`
}

// Status is how the store is now.
func (s *Store) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.counts
	st := Status{
		Cut: c.blocks, Spans: c.spans, Copies: c.copies, Merges: c.merges,
		Deleted: c.deleted, Unreadable: c.unreadable, LastError: c.lastErr,
	}
	for _, t := range s.tenants {
		for _, b := range t.blocks {
			st.Blocks++
			st.Bytes += b.Meta.Size
			if !b.merged() {
				st.ToMerge++
			}
			if !b.aside.IsZero() {
				st.Unreadable++
			}
			if st.Oldest.IsZero() || b.Meta.StartTime.Before(st.Oldest) {
				st.Oldest = b.Meta.StartTime
			}
		}
		for _, p := range t.parts {
			st.LiveSpans += int64(p.Size().Spans)
		}
	}
	return st
}

// trouble remembers what went wrong last.
func (s *Store) trouble(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.lastErr = err.Error()
}
