package archive

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The catalog is one object that repeats what the manifests say, so that
// listing 100,000 blocks takes one read and one listing of names. The manifests
// stay the truth: whoever reads the catalog reconciles it with the listing, and
// where it is missing, damaged or written by two archivers in turn, nothing is
// lost but time.
//
// It is text: a first line, one line a block of tab-separated fields sorted by
// tenant and block, and a last line with the SHA-256 of all before.
const (
	catalogName     = ownPrefix + "catalog"
	catalogHeader   = "appliance archive catalog 1\n"
	catalogFields   = 13
	maxCatalogBytes = 1 << 30
)

// entry is a block as the catalog has it.
type entry struct {
	ref
	encoding             string
	level                int
	start, end           int64 // Unix seconds
	traces, spans, bytes int64
	archived, verified   int64 // Unix seconds; 0 is never
	digest               string
	derivedFrom          string // "" where the block has its own id
}

// ref names a block. Its order is that in which a store lists, where a
// directory's name counts as if it ended in a slash: tenant a-b comes before
// tenant a.
type ref struct{ tenant, block string }

func (r ref) compare(o ref) int {
	if r.tenant != o.tenant {
		return strings.Compare(r.tenant+"/", o.tenant+"/")
	}
	return strings.Compare(r.block, o.block)
}

func (r ref) String() string { return r.tenant + "/" + r.block }

func entryOf(m *Manifest) entry {
	e := entry{
		ref: ref{m.Tenant, m.Block}, encoding: m.Encoding, level: m.CompactionLevel, start: m.Start.Unix(), end: m.End.Unix(),
		traces: m.Traces, spans: m.Spans, bytes: m.Bytes, archived: m.ArchivedAt.Unix(), digest: m.SpanDigest,
	}
	if m.Derived != nil {
		e.derivedFrom = m.Derived.Block
	}
	return e
}

func encodeCatalog(entries []entry) []byte {
	var b bytes.Buffer
	b.WriteString(catalogHeader)
	line := make([]byte, 0, 256)
	for _, e := range entries {
		line = append(append(append(append(line[:0], e.tenant...), '\t'), e.block...), '\t')
		line = append(line, e.encoding...)
		for _, n := range []int64{int64(e.level), e.start, e.end, e.traces, e.spans, e.bytes, e.archived, e.verified} {
			line = strconv.AppendInt(append(line, '\t'), n, 10)
		}
		line = append(append(line, '\t'), e.digest...)
		line = append(append(line, '\t'), e.derivedFrom...)
		b.Write(append(line, '\n'))
	}
	sum := sha256.Sum256(b.Bytes())
	b.WriteString(hexSum(sum) + "\n")
	return b.Bytes()
}

func decodeCatalog(text []byte) ([]entry, error) {
	const tail = 2*sha256.Size + 1
	if len(text) < len(catalogHeader)+tail || !bytes.HasPrefix(text, []byte(catalogHeader)) {
		return nil, fmt.Errorf("parse a catalog of %d bytes: it does not begin and end as one", len(text))
	}
	body, sum := text[:len(text)-tail], string(text[len(text)-tail:])
	if hexSum(sha256.Sum256(body))+"\n" != sum {
		return nil, fmt.Errorf("parse a catalog of %d bytes: its checksum is wrong", len(text))
	}
	lines := string(body[len(catalogHeader):])
	entries := make([]entry, 0, strings.Count(lines, "\n"))
	for line := range strings.Lines(lines) {
		e, err := decodeEntry(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return nil, fmt.Errorf("parse line %d of the catalog: %w", len(entries)+2, err)
		}
		entries = append(entries, e)
	}
	if !slices.IsSortedFunc(entries, func(a, b entry) int { return a.compare(b.ref) }) {
		return nil, errors.New("parse the catalog: it is not sorted")
	}
	return entries, nil
}

func decodeEntry(line string) (entry, error) {
	var f [catalogFields]string
	n := 0
	for field := range strings.SplitSeq(line, "\t") {
		if n == catalogFields {
			return entry{}, fmt.Errorf("more than %d fields", n)
		}
		f[n] = field
		n++
	}
	if n < catalogFields {
		return entry{}, fmt.Errorf("%d of %d fields", n, catalogFields)
	}
	e := entry{ref: ref{f[0], f[1]}, encoding: f[2], digest: f[11], derivedFrom: f[12]}
	var level int64
	for i, p := range []*int64{&level, &e.start, &e.end, &e.traces, &e.spans, &e.bytes, &e.archived, &e.verified} {
		v, err := strconv.ParseInt(f[3+i], 10, 64)
		if err != nil {
			return entry{}, err
		}
		*p = v
	}
	e.level = int(level)
	return e, nil
}

func unix(sec int64) time.Time {
	if sec == 0 {
		return time.Time{}
	}
	return time.Unix(sec, 0).UTC()
}
