package tail

import (
	"bytes"
	"reflect"
	"testing"
)

func aFrame() *frame {
	return &frame{
		time:     1_700_000_000_000_000_000,
		outcomes: []verdict{{"errors", keepAll}, {"health", keepNone}, {"rest", 0xc0 << 48}, {"", keepAll}},
		tenants:  []string{"a", "b"},
		traces:   []decided{{traceIDOf(1), 1, 2, 300, 0}, {traceIDOf(2), 0, 1, 1, decidedEarly | rootMissing}},
		records: []outcome{
			{offset: 64, tenant: 0, spans: 5, runs: []run{{0, 2}, {1, 3}}, left: []leftOut{{1, 3}}},
			{offset: 1 << 40, tenant: 1, spans: 2},
		},
	}
}

func TestFrameIsReadAsItWasWritten(t *testing.T) {
	b := aFrame().append([]byte("before"))[len("before"):]
	got, n, err := frameAt(append(bytes.Clone(b), "behind"...))
	if err != nil || n != len(b) || !reflect.DeepEqual(&got, aFrame()) {
		t.Errorf("read %+v, %d of %d bytes, %v", got, n, len(b), err)
	}
	for i := range b { // any byte that is missing or another
		if _, _, err := frameAt(b[:i]); err == nil {
			t.Errorf("%d of %d bytes are a frame", i, len(b))
		}
		bad := bytes.Clone(b)
		bad[i] ^= 0x40
		if _, _, err := frameAt(bad); err == nil {
			t.Errorf("a frame whose byte %d is damaged is read", i)
		}
	}
}

func FuzzFrame(f *testing.F) {
	f.Add(aFrame().append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, n, err := frameAt(b)
		if err != nil {
			return
		}
		again, _, err := frameAt(got.append(nil))
		if err != nil || !reflect.DeepEqual(got, again) || n > len(b) {
			t.Errorf("%+v is %+v when it is written again, %v", got, again, err)
		}
	})
}
