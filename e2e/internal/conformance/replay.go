package conformance

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"
)

// Options say which lines are asked, and what counts as equal.
type Options struct {
	Shift       int64  // seconds by which the server's dataset is later than the corpus's
	Category    string // only categories that begin so
	Unstable    bool   // also lines to which Tempo has several answers
	SkipFaults  bool   // not lines with a note, whose answer comes of a fault of Tempo's
	OneBlock    bool   // the answer of a trace that is in one piece is right too
	Words       bool   // the words of errors are compared too
	ContentType bool   // content types are compared too
	Parallel    int    // requests at a time; 0: one
}

// fatal is the category of requests that end a stock Tempo.
const fatal = "fatal"

// Result is what became of a line.
type Result struct {
	Line       *Line
	Got        Answer
	Difference string // "": equal
}

// Choose returns the lines that the options are about.
func (o *Options) Choose(lines []Line) (chosen []*Line) {
	for i := range lines {
		l := &lines[i]
		asked := l.Stable || o.Unstable && l.Category != fatal
		faulty := o.SkipFaults && l.Note != ""
		if asked && !faulty && strings.HasPrefix(l.Category, o.Category) {
			chosen = append(chosen, l)
		}
	}
	return chosen
}

// Replay asks for each line, and returns the results in their order. A server that
// does not answer is a difference. It fails if ctx ends.
func Replay(ctx context.Context, c *Client, lines []*Line, o Options) ([]Result, error) {
	results := make([]Result, len(lines))
	group, asking := errgroup.WithContext(ctx)
	group.SetLimit(max(1, o.Parallel))
	for i, l := range lines {
		group.Go(func() error {
			got, err := c.Ask(asking, &l.Request, o.Shift)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			results[i] = Result{Line: l, Got: got}
			if err != nil {
				results[i].Difference = err.Error()
			} else {
				results[i].Difference = o.compare(l, &got)
			}
			return nil
		})
	}
	return results, group.Wait()
}

// Differ says where an answer differs first from the one that is wanted, or "". Of
// errors only the status is compared.
func Differ(want, got Answer) string {
	var o Options
	return o.compare(&Line{Answer: want}, &got)
}

func (o *Options) compare(want *Line, got *Answer) string {
	switch {
	case want.Status != got.Status:
		return fmt.Sprintf(
			"status: want %d %s, got %d %s",
			want.Status, cut(encode(want.Body)), got.Status, cut(encode(got.Body)),
		)
	case o.ContentType && want.ContentType != got.ContentType:
		return fmt.Sprintf("content type: want %q, got %q", want.ContentType, got.ContentType)
	case want.failed() && !o.Words:
		return ""
	}
	d := differ(want.Body, got.Body, "body")
	if d != "" && o.OneBlock && want.OneBlock != nil {
		return differ(want.OneBlock, got.Body, "body")
	}
	return d
}
