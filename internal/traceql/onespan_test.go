package traceql

import (
	"math/rand/v2"
	"testing"

	"appliance/internal/otlpwire"
	"appliance/internal/traceql/querytest"
)

// eachSpan calls yield with the spans of a request in the order of its bytes.
func eachSpan(request []byte, yield func(resource, scope, span []byte)) {
	for all := otlpwire.NewFields(request); all.Next(); {
		resource := lastText(all.Bytes, 1)
		for scopes := otlpwire.NewFields(all.Bytes); scopes.Next(); {
			if scopes.Tag != 2<<3|otlpwire.TagBytes {
				continue
			}
			scope := lastText(scopes.Bytes, 1)
			for spans := otlpwire.NewFields(scopes.Bytes); spans.Next(); {
				if spans.Tag == 2<<3|otlpwire.TagBytes {
					yield(resource, scope, spans.Bytes)
				}
			}
		}
	}
}

// TestOneSpanEqualsReference compares the evaluation of a span in its wire
// bytes with the naive one, on random filters and spans.
func TestOneSpanEqualsReference(t *testing.T) {
	asked, found := 0, 0
	for seed := uint64(0); asked < 20_000; seed++ {
		a, f := oneSpanEqualsReference(t, seed)
		asked, found = asked+a, found+f
		if t.Failed() {
			return
		}
	}
	if found < asked/20 {
		t.Errorf("only %d of %d spans were found", found, asked)
	}
}

func FuzzOneSpanEqualsReference(f *testing.F) {
	for seed := range uint64(10) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) { oneSpanEqualsReference(t, seed) })
}

func oneSpanEqualsReference(t *testing.T, seed uint64) (asked, found int) {
	r := rand.New(rand.NewPCG(seed, 12))
	traces := randomTraces(r)
	for range 20 {
		q, err := Parse(querytest.Maker{Rand: r}.Filter())
		if err != nil {
			continue
		}
		x := q.Spans.Stages[0].(*Filter).Expr
		if x == nil || SpanProblem(x, func(Intrinsic) bool { return false }) != nil {
			continue
		}
		filter, err := CompileSpanFilter(x)
		if err != nil {
			t.Fatalf("%s: %v", q, err)
		}
		for _, spans := range traces {
			i := 0
			// encode gives each span a ResourceSpans of its own, in their order.
			eachSpan(encode(spans), func(resource, scope, span []byte) {
				want := (&reference{}).isTrue(x, spans[i])
				i++
				var one OneSpan
				if err := one.Set(resource, scope, span); err != nil {
					t.Fatal(err)
				}
				if got := filter.Match(&one); got != want {
					t.Errorf("seed %d: %s is %v for %s, want %v", seed, q, got, describe([][]*plainSpan{{spans[i-1]}}), want)
				}
				asked++
				if want {
					found++
				}
			})
			if i != len(spans) {
				t.Fatalf("%d spans were encoded, want %d", i, len(spans))
			}
		}
	}
	return asked, found
}

func TestSpanProblem(t *testing.T) {
	for text, want := range map[string]bool{
		`{ status = error && span.a = 1 }`:                 false,
		`{ event:name = "e" }`:                             false,
		`{ event:name = "e" && event.a = 1 }`:              true,
		`{ span:childCount > 1 }`:                          true,
		`{ span.a = 1 || nestedSetParent < 0 }`:            true,
		`{ traceDuration > 1s }`:                           true,
		`{ trace:id = "1" }`:                               true,
		`{ resource.service.name = "a" && !(.b = false) }`: false,
	} {
		q, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		err = SpanProblem(q.Spans.Stages[0].(*Filter).Expr, func(Intrinsic) bool { return false })
		if (err != nil) != want {
			t.Errorf("%s: %v, want a problem: %v", text, err, want)
		}
	}
}

func BenchmarkOneSpan(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	request := encode(randomTraces(r)[0])
	for name, text := range map[string]string{
		"status": `{ status = error }`, "attribute": `{ span.http.status_code >= 500 }`, "service": `{ resource.service.name = "x" }`,
	} {
		q, err := Parse(text)
		if err != nil {
			b.Fatal(err)
		}
		f, err := CompileSpanFilter(q.Spans.Stages[0].(*Filter).Expr)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			n := 0
			var one OneSpan
			for n < b.N {
				eachSpan(request, func(resource, scope, span []byte) {
					_ = one.Set(resource, scope, span)
					f.Match(&one)
					n++
				})
			}
		})
	}
}
