package traceql

// Without is a batch without some of its traces: for a query it has no spans of
// them. They are traces of which the batch has only a part, and which are looked
// at as a whole elsewhere.
//
// The attributes and values that lists of tags show without a query may be those
// of such a trace.
func Without(b Batch, traces *Bitmap) Batch {
	if traces == nil || traces.Empty() {
		return b
	}
	return &without{b, traces}
}

type without struct {
	Batch
	traces *Bitmap
}

// unhidden is the batch itself, with all of its traces.
func unhidden(b Batch) Batch {
	if w, ok := b.(*without); ok {
		return w.Batch
	}
	return b
}

// hiddenSpans are the spans of the traces that are left out; nil for none.
func (e *evaluation) hiddenSpans() (*Bitmap, error) {
	w, ok := e.batch.(*without)
	if !ok || e.hidden != nil {
		return e.hidden, nil
	}
	o, err := w.Offsets(e.ctx, LevelTrace)
	if err != nil {
		return nil, err
	}
	e.hidden = NewBitmap(e.spans)
	for t := w.traces.Next(0); t >= 0; t = w.traces.Next(t + 1) {
		e.hidden.SetRange(int(o[t]), int(o[t+1]))
	}
	return e.hidden, nil
}

// hides says whether a trace is left out.
func (e *evaluation) hides(trace int) bool {
	w, ok := e.batch.(*without)
	return ok && w.traces.Has(trace)
}

// seen is the set without the spans of traces that are left out.
func (e *evaluation) seen(spans *Bitmap) (*Bitmap, error) {
	hidden, err := e.hiddenSpans()
	if err != nil || hidden == nil {
		return spans, err
	}
	spans = spans.Clone()
	spans.AndNot(hidden)
	return spans, nil
}
