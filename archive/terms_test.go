package archive

import (
	"encoding/json"
	"errors"
	"testing"

	"appliance/archive/store"
)

// TestRecordTerm holds that a term is refused once a later one has begun, and
// that the store keeps the last ones in order.
func TestRecordTerm(t *testing.T) {
	s, err := store.Open(t.Context(), "file://"+t.TempDir(), store.Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for fence := range uint64(termsKept + 20) {
		if err := RecordTerm(t.Context(), s, Term{Fence: fence, Holder: "a"}); err != nil {
			t.Fatal(err)
		}
	}
	last := Term{Fence: termsKept + 19, Holder: "a"}
	if err := RecordTerm(t.Context(), s, last); err != nil {
		t.Errorf("the same term again: %v", err)
	}
	for _, late := range []Term{{Fence: termsKept + 19, Holder: "b"}, {Fence: 3, Holder: "b"}} {
		if err := RecordTerm(t.Context(), s, late); !errors.Is(err, ErrLaterTerm) {
			t.Errorf("%+v after %+v: %v", late, last, err)
		}
	}
	text, err := store.ReadFile(t.Context(), s, termsName, termsBytes)
	if err != nil {
		t.Fatal(err)
	}
	var kept []Term
	if err := json.Unmarshal(text, &kept); err != nil || len(kept) != termsKept || kept[len(kept)-1] != last {
		t.Errorf("%d terms are kept, %v:\n%s", len(kept), err, text)
	}
}
