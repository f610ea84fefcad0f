package serve

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"appliance/internal/durable"
	"appliance/internal/spool"
)

const (
	ordersEvery = 500 * time.Millisecond // how often a running appliance looks for orders
	ordersWait  = 3 * time.Second        // for a running appliance to do one
	orderSuffix = ".order"
	maxOrder    = 4 << 20
)

// Order is what an operator wants done with stuck spans. It is a file in
// data_dir, so that whoever may write there may order it, and nobody else; and
// it is done by the next start where nothing runs.
type Order struct {
	Retry bool            `json:"retry,omitempty"` // all of them
	Drop  []spool.StuckID `json:"drop,omitempty"`
}

func ordersDir(dataDir string) string { return filepath.Join(dataDir, "orders") }

// Give writes an order, and returns its file.
func (o Order) Give(dataDir string) (string, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return "", err
	}
	if err := durable.MkdirAll(durable.OS, ordersDir(dataDir), 0o750); err != nil {
		return "", err
	}
	path := filepath.Join(ordersDir(dataDir), rand.Text()+orderSuffix)
	return path, durable.WriteFile(durable.OS, path, text, 0o640)
}

// Obeyed waits until a running appliance has done what the file says; false
// where none does in time.
func Obeyed(ctx context.Context, path string) (bool, error) {
	late := time.After(ordersWait)
	tick := time.NewTicker(ordersEvery / 5)
	defer tick.Stop()
	for {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return true, nil
		}
		select {
		case <-tick.C:
		case <-late:
			return false, nil
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// followOrders does what operators want done with stuck spans.
func (a *appliance) followOrders(ctx context.Context) error {
	tick := time.NewTicker(ordersEvery)
	defer tick.Stop()
	for {
		if err := a.obey(ctx); err != nil {
			a.logger.Error("an order for stuck spans cannot be followed", "dir", ordersDir(a.conf.DataDir), "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// obey does the orders that are there. What cannot be done is not tried again.
func (a *appliance) obey(ctx context.Context) error {
	entries, err := os.ReadDir(ordersDir(a.conf.DataDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), orderSuffix) {
			continue
		}
		path := filepath.Join(ordersDir(a.conf.DataDir), e.Name())
		text, readErr := durable.ReadFile(durable.OS, path, maxOrder)
		var o Order
		if readErr == nil {
			readErr = json.Unmarshal(text, &o)
		}
		err = errors.Join(err, readErr)
		if o.Retry {
			a.storage.retryStuck(ctx)
		}
		if len(o.Drop) > 0 {
			spans, dropErr := a.storage.dropStuck(o.Drop)
			a.logger.Warn("an operator dropped stuck spans", "spans", spans)
			err = errors.Join(err, dropErr)
		}
		err = errors.Join(err, os.Remove(path))
	}
	return err
}
