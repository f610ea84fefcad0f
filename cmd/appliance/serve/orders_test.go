package serve

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"appliance/forwarder"
	"appliance/internal/blockstore"
	"appliance/internal/config"
	"appliance/internal/durable"
	"appliance/internal/ledger"
	"appliance/internal/spool"
)

// An order to drop is done once, and the ledger counts what was dropped; one
// that cannot be read is not tried again.
func TestOrders(t *testing.T) {
	for name, open := range map[string]func(*appliance) storage{
		"embedded": func(a *appliance) storage { return &embedded{a: a} },
		"elsewhere": func(a *appliance) storage {
			return &elsewhere{a: a, forwarder: forwarder.New(forwarder.Options{
				Spool: a.spool, Discarded: a.ledger.Discard, Target: func() (forwarder.Target, error) { return forwarder.Target{}, errors.New("none") },
			})}
		},
	} {
		t.Run(name, func(t *testing.T) { testOrders(t, open) })
	}
}

func testOrders(t *testing.T, open func(*appliance) storage) {
	dir := t.TempDir()
	a := withStuck(t, dir, 2)
	a.storage = open(a)
	path, err := Order{Drop: []spool.StuckID{a.spool.Stuck().List()[0].ID, "no such"}}.Give(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.obey(t.Context()); err != nil {
		t.Fatal(err)
	}
	if done, err := Obeyed(context.Background(), path); !done || err != nil {
		t.Errorf("obeyed: %t, %v", done, err)
	}
	account := a.ledger.Balance(ledger.Counts{}, a.spool.Status())
	if account.Stuck != 1 || account.Discarded["operator"] != 1 || account.Kept != 2 || account.Proven != 0 || account.Tenants["shop"].Stuck != 1 {
		t.Errorf("%+v", account)
	}
	bad := filepath.Join(ordersDir(dir), "x"+orderSuffix)
	if err := os.WriteFile(bad, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := a.obey(t.Context()); err == nil {
		t.Error("an order that cannot be read is no error")
	}
	if err := a.obey(t.Context()); err != nil {
		t.Errorf("it is tried again: %v", err)
	}
}

// What a Tempo elsewhere did not take is stored once spans are stored here.
func TestStuckSpansAreStored(t *testing.T) {
	dir := t.TempDir()
	a := withStuck(t, dir, 3)
	store, err := blockstore.Open(t.Context(), blockstore.Options{Dir: filepath.Join(dir, "blocks"), Spool: a.spool})
	if err != nil {
		t.Fatal(err)
	}
	e := &embedded{a: a, store: store}
	e.retryStuck(t.Context())
	account := a.ledger.Balance(ledger.Counts{}, a.spool.Status())
	if account.Stuck != 0 || account.Proven != 3 || len(a.spool.Stuck().List()) != 0 {
		t.Errorf("%+v", account)
	}
	v := store.View("shop")
	defer v.Close()
	var traces int64
	for _, b := range v.Blocks {
		traces += b.Meta.TotalObjects
	}
	if traces != 3 {
		t.Errorf("%d traces in blocks", traces)
	}
}

// withStuck is an appliance with records of one span each of tenant shop that
// are set aside.
func withStuck(t *testing.T, dir string, n int) *appliance {
	t.Helper()
	s, err := spool.Open(filepath.Join(dir, "spool"), spool.Options{NoSpare: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	for i := range n {
		rec := spool.Record{Tenant: "shop", Spans: 1, Time: time.Now(), Payload: spanOf(t, byte(i+1))}
		pos, err := s.Append(rec)
		if err == nil {
			err = s.Stuck().Keep([]spool.Aside{{Record: rec, Origin: pos, Why: "no"}}, pos)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	l, err := ledger.Open(durable.OS, filepath.Join(dir, "ledger.json"), s.Status())
	if err != nil {
		t.Fatal(err)
	}
	return &appliance{conf: config.Loaded{Config: config.Config{DataDir: dir}}, spool: s, ledger: l, logger: slog.New(slog.DiscardHandler)}
}

// spanOf is a request of one span, of the n-th trace.
func spanOf(t *testing.T, n byte) []byte {
	t.Helper()
	req := ptraceotlp.NewExportRequest()
	span := req.Traces().ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans().AppendEmpty()
	span.SetTraceID([16]byte{1, 2, 15: n})
	span.SetSpanID([8]byte{7: n})
	body, err := req.MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	return body
}
