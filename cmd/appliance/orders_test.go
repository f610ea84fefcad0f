package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"appliance/forwarder"
	"appliance/internal/blockdir"
	"appliance/internal/config"
	"appliance/internal/durable"
	"appliance/internal/ledger"
	"appliance/internal/spool"
)

// An order to drop is done once, and the ledger counts what was dropped; one that cannot be read is not tried again.
func TestOrders(t *testing.T) {
	dir := t.TempDir()
	s, err := spool.Open(filepath.Join(dir, "spool"), spool.Options{NoSpare: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i := range 2 {
		rec := spool.Record{Tenant: "shop", Spans: 1, Time: time.Now(), Payload: stuckSpan(byte(i + 1))}
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
	a := &appliance{conf: config.Loaded{Config: config.Config{DataDir: dir}}, spool: s, ledger: l, logger: slog.New(slog.DiscardHandler)}
	a.forwarder = forwarder.New(forwarder.Options{
		Spool: s, Discarded: l.Discard, Target: func() (forwarder.Target, error) { return forwarder.Target{}, errors.New("none") },
	})
	path, err := order{Drop: []spool.StuckID{s.Stuck().List()[0].ID, "no such"}}.give(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.obey(); err != nil {
		t.Fatal(err)
	}
	if done, err := obeyed(context.Background(), path); !done || err != nil {
		t.Errorf("obeyed: %t, %v", done, err)
	}
	account := l.Balance(ledger.Counts{}, s.Status())
	if account.Stuck != 1 || account.Discarded["operator"] != 1 || account.Kept != 2 || account.Proven != 0 || account.Tenants["shop"].Stuck != 1 {
		t.Errorf("%+v", account)
	}
	bad := filepath.Join(ordersDir(dir), "x"+orderSuffix)
	if err := os.WriteFile(bad, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := a.obey(); err == nil {
		t.Error("an order that cannot be read is no error")
	}
	if err := a.obey(); err != nil {
		t.Errorf("it is tried again: %v", err)
	}
}

// A Tempo without tenants puts spans in one, also those that came when there were some.
func TestBlockCoversTenantsThatAreGone(t *testing.T) {
	sent := time.Now()
	b := blockdir.Block{Tenant: "single-tenant", Written: sent.Add(time.Second)}
	for _, c := range []struct {
		anyTenant bool
		tenant    string
		sent      time.Time
		want      bool
	}{
		{true, "gone", sent, true}, {true, "single-tenant", sent, true}, {true, "gone", sent.Add(time.Minute), false},
		{false, "gone", sent, false}, {false, "single-tenant", sent, true},
	} {
		if got := (writtenBlock{b, c.anyTenant}).Covers(c.tenant, c.sent); got != c.want {
			t.Errorf("%+v: %t", c, got)
		}
	}
}
