package rules

import (
	"encoding/binary"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"appliance/internal/otlpwire"
)

// reference applies rules to decoded spans, without haste, as docs/rules.md says.
// It shares with Apply the reading of rules, the comparison of conditions and what
// masker.at finds at one place.
type reference struct {
	rules  []rule
	counts Counts
	encode func(ptrace.Traces) []byte // as the request was encoded
}

func (r *reference) apply(td ptrace.Traces) {
	fates := r.fates(td)
	ordinal := -1
	td.ResourceSpans().RemoveIf(func(rs ptrace.ResourceSpans) bool {
		before, after := 0, 0
		resource := pcommon.NewResource() // as conditions see it
		rs.Resource().CopyTo(resource)
		onResource := r.holding(resource, nil)
		r.attributes(rs.Resource().Attributes(), onResource)
		rs.SetSchemaUrl(r.text(rs.SchemaUrl()))
		rs.ScopeSpans().RemoveIf(func(ss ptrace.ScopeSpans) bool {
			had := ss.Spans().Len()
			before += had
			ss.Spans().RemoveIf(func(s ptrace.Span) bool {
				ordinal++
				return fates.dropped[ordinal]
			})
			after += ss.Spans().Len()
			r.attributes(ss.Scope().Attributes(), onResource)
			ss.SetSchemaUrl(r.text(ss.SchemaUrl()))
			ss.Scope().SetName(r.text(ss.Scope().Name()))
			ss.Scope().SetVersion(r.text(ss.Scope().Version()))
			for _, s := range ss.Spans().All() {
				r.oneSpan(s, r.holding(resource, &s), fates)
			}
			return had > 0 && ss.Spans().Len() == 0
		})
		return before > 0 && after == 0
	})
}

// plainFates are the spans that are dropped, by their ordinal, and their parents.
type plainFates struct {
	dropped map[int]bool
	parents map[plainID]pcommon.SpanID
}

type plainID struct {
	trace pcommon.TraceID
	span  pcommon.SpanID
}

func (r *reference) fates(td ptrace.Traces) plainFates {
	f := plainFates{map[int]bool{}, map[plainID]pcommon.SpanID{}}
	ordinal := -1
	for _, rs := range td.ResourceSpans().All() {
		for _, ss := range rs.ScopeSpans().All() {
			for _, s := range ss.Spans().All() {
				ordinal++
				held := r.holding(rs.Resource(), &s)
				i := slices.IndexFunc(r.rules, func(x rule) bool { return x.action == dropSpan && held[x.text] })
				if i < 0 {
					continue
				}
				f.dropped[ordinal] = true
				f.parents[plainID{s.TraceID(), s.SpanID()}] = s.ParentSpanID()
				r.counts.Dropped[i]++
			}
		}
	}
	return f
}

// parentOf is the nearest ancestor that stays; none, where parents are a circle.
func (f plainFates) parentOf(s ptrace.Span) pcommon.SpanID {
	parent := s.ParentSpanID()
	for range len(f.dropped) + 1 {
		up, dropped := f.parents[plainID{s.TraceID(), parent}]
		if !dropped {
			return parent
		}
		parent = up
	}
	return pcommon.SpanID{}
}

// holding are the rules whose conditions hold for a span, or if that is nil for a
// resource. It is called before anything that conditions look at is edited.
func (r *reference) holding(resource pcommon.Resource, s *ptrace.Span) map[string]bool {
	held := map[string]bool{}
	for _, x := range r.rules {
		held[x.text] = !slices.ContainsFunc(x.conditions, func(c condition) bool {
			if c.place == ofResource {
				return !c.holds(factIn(resource.Attributes(), c.key))
			}
			if s == nil {
				return true
			}
			about := fact{known: true}
			switch c.place {
			case ofName:
				about.text = []byte(s.Name())
			case ofKind:
				about.text = strconv.AppendInt(nil, int64(s.Kind()), 10)
			case ofStatus:
				about.text = strconv.AppendInt(nil, int64(s.Status().Code()), 10)
			case ofSpan:
				about = factIn(s.Attributes(), c.key)
			}
			return !c.holds(about)
		})
	}
	return held
}

func factIn(m pcommon.Map, key string) fact {
	v, there := m.Get(key)
	if !there {
		return fact{}
	}
	switch v.Type() {
	case pcommon.ValueTypeStr, pcommon.ValueTypeBool, pcommon.ValueTypeInt:
		return fact{true, []byte(v.AsString())}
	case pcommon.ValueTypeDouble:
		return fact{true, strconv.AppendFloat(nil, v.Double(), 'g', -1, 64)}
	case pcommon.ValueTypeBytes:
		return fact{true, v.Bytes().AsRaw()}
	}
	return fact{}
}

func (r *reference) oneSpan(s ptrace.Span, held map[string]bool, fates plainFates) {
	s.SetParentSpanID(fates.parentOf(s))
	s.SetName(r.text(s.Name()))
	s.TraceState().FromRaw(r.text(s.TraceState().AsRaw()))
	s.Status().SetMessage(r.text(s.Status().Message()))
	r.attributes(s.Attributes(), held)
	for _, e := range s.Events().All() {
		e.SetName(r.text(e.Name()))
		r.attributes(e.Attributes(), held)
	}
	for _, l := range s.Links().All() {
		l.TraceState().FromRaw(r.text(l.TraceState().AsRaw()))
		r.attributes(l.Attributes(), held)
	}
}

func (r *reference) secrets() int {
	return slices.IndexFunc(r.rules, func(x rule) bool { return x.action == secretsPreset })
}

func (r *reference) text(s string) string {
	if r.secrets() < 0 {
		return s
	}
	out, found := plainMask(s)
	if found {
		r.counts.Changed[r.secrets()]++
	}
	return out
}

// strongest is the rule of an action for a key, or -1; of those that cut the one to
// the fewest bytes.
func (r *reference) strongest(what action, key string, held map[string]bool) int {
	best := -1
	for i, x := range r.rules {
		before, behind, wild := strings.Cut(x.key, "*")
		match := key == x.key
		if wild {
			match = len(key) >= len(before)+len(behind) && strings.HasPrefix(key, before) && strings.HasSuffix(key, behind)
		}
		if x.action == what && match && held[x.text] && (best < 0 || x.bytes < r.rules[best].bytes) {
			best = i
		}
	}
	return best
}

func (r *reference) attributes(m pcommon.Map, held map[string]bool) {
	m.RemoveIf(func(key string, v pcommon.Value) bool {
		if i := r.strongest(dropAttribute, key, held); i >= 0 {
			r.counts.Changed[i]++
			return true
		}
		if i := r.strongest(hashAttribute, key, held); i >= 0 {
			r.counts.Changed[i]++
			h := hashOf(r.hashed(v))
			v.SetStr(string(h[:]))
			return false
		}
		if i := r.secrets(); i >= 0 && plainlySecret(key) {
			r.counts.Changed[i]++
			v.SetStr("***")
			return false
		}
		r.value(v, r.strongest(cutAttribute, key, held), held)
		return false
	})
}

// hashed is the text of a value, or what it is encoded to.
func (r *reference) hashed(v pcommon.Value) []byte {
	if v.Type() == pcommon.ValueTypeStr {
		return []byte(v.Str())
	}
	td := ptrace.NewTraces()
	v.CopyTo(td.ResourceSpans().AppendEmpty().Resource().Attributes().PutEmpty("k"))
	m := r.encode(td)
	for _, tag := range []uint32{1<<3 | otlpwire.TagBytes, 1<<3 | otlpwire.TagBytes, 1<<3 | otlpwire.TagBytes, valueTag} {
		f := otlpwire.NewFields(m)
		for m = nil; f.Next(); {
			if f.Tag == tag {
				m = f.Bytes
			}
		}
	}
	return m
}

func (r *reference) value(v pcommon.Value, cut int, held map[string]bool) {
	switch v.Type() {
	case pcommon.ValueTypeStr:
		v.SetStr(r.leaf(v.Str(), cut, true))
	case pcommon.ValueTypeBytes:
		v.Bytes().FromRaw([]byte(r.leaf(string(v.Bytes().AsRaw()), cut, false)))
	case pcommon.ValueTypeSlice:
		for _, element := range v.Slice().All() {
			r.value(element, cut, held)
		}
	case pcommon.ValueTypeMap:
		r.attributes(v.Map(), held)
	}
}

func (r *reference) leaf(s string, cut int, isText bool) string {
	s = r.text(s)
	if cut < 0 || len(s) <= r.rules[cut].bytes {
		return s
	}
	r.counts.Changed[cut]++
	n := r.rules[cut].bytes
	for isText && n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// plainMask is mask without a look ahead: it stops at each byte.
func plainMask(text string) (out string, found bool) {
	m := masker{text: []byte(text)}
	for i := 0; i < len(text); i++ {
		i = max(i, m.at(i)-1)
	}
	return string(m.out) + text[m.next:], m.found
}

// plainlySecret is isSecret without a glance at the last letters.
func plainlySecret(key string) bool {
	name := key[strings.LastIndexByte(key, '.')+1:]
	return secretName(normal(nil, []byte(name[max(0, len(name)-maxName):])))
}

// The glances at eight bytes and at last letters find what the plain way finds.
func FuzzMask(f *testing.F) {
	for _, text := range secretTexts {
		f.Add(strings.ReplaceAll(text, "%s", "S3CRET12"))
	}
	for _, text := range []string{"", "a=b", "for x=y", "toKen  = \"'`x", "+basic+abcdefghijk", "http://a:b@c", "://://@", "Bearer%20abcdefghij", "\xa0=\xba\xa7'"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		want, found := plainMask(text)
		out, masked := mask([]byte("before"), []byte(text))
		if !masked {
			out = append(out, text...)
		}
		if masked != found || string(out) != "before"+want {
			t.Fatalf("%q became %q, and plainly %q", text, out, want)
		}
		if isSecret([]byte(text)) != plainlySecret(text) {
			t.Fatalf("%q is a secret: %v, and plainly %v", text, isSecret([]byte(text)), plainlySecret(text))
		}
		if name := normal(nil, []byte(text)); secretParameters[string(name)] && !assignedTails.fits([]byte(text)) {
			t.Fatalf("%q is not seen by its last letters", text)
		}
	})
}

func TestMarksAreTheBytesThatSecretsBeginAt(t *testing.T) {
	for c := range 256 {
		for at := range 8 {
			var word [8]byte
			for i := range word {
				word[i] = byte(255 * (i % 2))
			}
			word[at] = byte(c)
			want := c >= 0x20 && c <= 0x2b || c >= 0x3a && c <= 0x3f
			marks := marksIn(binary.LittleEndian.Uint64(word[:]))
			if got := marks == 0x80<<(8*at); got != want || !want && marks != 0 {
				t.Errorf("byte %#x at %d: marks %#x", c, at, marks)
			}
		}
	}
}

// What tails promise of the lists that they are made of.
func TestTailsHaveThreeLetters(t *testing.T) {
	names := slices.Concat(schemes, sqlWords, secretEndings)
	for name := range secretNames {
		names = append(names, name)
	}
	for name := range secretParameters {
		names = append(names, name)
	}
	for _, name := range names {
		if len(name) < tailSize || len(name) > maxName || strings.ContainsAny(name[len(name)-tailSize:], "_-.") {
			t.Errorf("the last letters of %q cannot be looked up", name)
		}
	}
	for _, word := range schemes {
		if uint32(schemeEnds)>>(word[len(word)-1]&31)&1 == 0 {
			t.Errorf("%s is not seen by its last letter", word)
		}
	}
	if math.MaxUint8 != anyLength {
		t.Error("a longer name would not count")
	}
}
