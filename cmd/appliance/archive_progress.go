package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/mattn/go-isatty"

	"appliance/archive"
)

const (
	redrawEvery = 100 * time.Millisecond // on a terminal
	sayEvery    = 30 * time.Second       // elsewhere
	clearLine   = "\r\x1b[K"
)

// progressLine says on stderr how far a long command has come: on a terminal in
// one line that is written again, elsewhere in a plain line now and then. Other
// lines that are to appear meanwhile are written to it.
type progressLine struct {
	verb     string // such as "archiving"
	blocks   bool   // bytes say nothing of the work, only blocks do
	terminal bool
	now      func() time.Time

	mu          sync.Mutex
	w           io.Writer
	began, last time.Time
	shown       bool
}

func newProgressLine(w io.Writer, verb string) *progressLine {
	f, ok := w.(*os.File)
	return &progressLine{w: w, verb: verb, terminal: ok && isatty.IsTerminal(f.Fd()), now: time.Now}
}

// progress starts to show the progress of what the verb says.
func (a *openedArchive) progress(verb string, blocks bool) *progressLine {
	p := a.logLine
	p.verb, p.blocks, p.began = verb, blocks, p.now()
	p.last = p.began
	return p
}

// update shows p, if it is time to.
func (l *progressLine) update(p archive.Progress) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, every := l.now(), sayEvery
	if l.terminal {
		every = redrawEvery
	}
	if now.Sub(l.last) < every {
		return
	}
	l.last = now
	text := progressText(l.verb, p, l.blocks, now.Sub(l.began))
	if l.terminal {
		fmt.Fprint(l.w, clearLine+text)
		l.shown = true
	} else {
		fmt.Fprintln(l.w, text)
	}
}

// end takes the line away.
func (l *progressLine) end() { _, _ = l.Write(nil) } // stderr; there is nobody to tell

// Write writes whole lines instead of the progress.
func (l *progressLine) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shown {
		fmt.Fprint(l.w, clearLine)
		l.shown = false
	}
	return l.w.Write(text)
}

// progressText says how much is done, how fast that went, and how long the rest takes at that rate.
func progressText(verb string, p archive.Progress, blocks bool, elapsed time.Duration) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s of %s", verb, humanize.Comma(int64(p.Blocks)), several(p.BlocksTotal, "block"))
	done, total := float64(p.Bytes), float64(p.BytesTotal)
	if blocks || p.BytesTotal == 0 {
		done, total = float64(p.Blocks), float64(p.BlocksTotal)
	} else {
		fmt.Fprintf(&b, ", %s of %s", sizeText(p.Bytes), sizeText(p.BytesTotal))
	}
	if done == 0 || elapsed <= 0 {
		return b.String()
	}
	rate := done / elapsed.Seconds()
	if blocks || p.BytesTotal == 0 {
		fmt.Fprintf(&b, ", %s/s", humanize.Comma(int64(math.Ceil(rate))))
	} else {
		fmt.Fprintf(&b, ", %s/s", sizeText(int64(rate)))
	}
	left := time.Duration(max(0, total-done) / rate * float64(time.Second))
	fmt.Fprintf(&b, ", %s left", left.Round(time.Second))
	return b.String()
}
