package browser

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"appliance/e2e/internal/harness"
)

// TestPagesDuringLoad walks through all pages while spans come in.
func TestPagesDuringLoad(t *testing.T) {
	t.Parallel()
	a := harness.Start(t, harness.Options{})
	sendShop(t, a, 2)
	ctx, stop := context.WithCancel(t.Context())
	var sent atomic.Int64
	ended := make(chan error, 1)
	go func() {
		tick := time.NewTicker(50 * time.Millisecond) // 10,000 spans a second
		defer tick.Stop()
		for range tick.C {
			if ctx.Err() != nil {
				break
			}
			r, _ := harness.NewRequest("load", 50, 10)
			answer, err := a.Export(ctx, r)
			if ctx.Err() == nil && (err != nil || answer.Status != 200) {
				ended <- fmt.Errorf("the appliance answers %+v, %v", answer, err)
				return
			}
			sent.Add(500)
		}
		ended <- nil
	}()
	c := start(t, "http://"+a.Read)
	comes := func(least int64) {
		t.Helper()
		harness.Eventually(t, patience, "spans come in", func() error {
			if n := sent.Load(); n < least {
				return fmt.Errorf("%d came, want %d", n, least)
			}
			return nil
		})
	}
	comes(5_000)
	for _, page := range []struct{ path, shows string }{
		{"/", "traces, the newest first"},
		{"/?service=load&limit=100", "100 traces, the newest first"},
		{"/?service=payments", "2 traces, the newest first"},
		{"/trace/" + checkoutID(0), "card declined"},
		{"/services", "payments"}, {"/status", "Spans are taken."},
	} {
		before := sent.Load()
		c.visit(page.path)
		c.sees(page.shows)
		comes(before + 1)
	}
	stop()
	must(t, <-ended)
}

// TestPagesOnAFullDisk fills the disk of an appliance that has traces. What is
// there can be read, the pages say what is wrong, and that it is over.
func TestPagesOnAFullDisk(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t, 64<<20)
	env := harness.QuickBlocks()
	env["APPLIANCE_SPOOL_MAX_BYTES"] = "8MiB"
	a := harness.Start(t, harness.Options{DataDir: filepath.Join(dir, "data"), Env: env})
	sendShop(t, a, 4)
	filler := filepath.Join(dir, "filler")
	fill(t, filler)
	until(t, a, 503)
	c := start(t, "http://"+a.Read)
	harness.Eventually(t, patience, "the status says what is wrong", func() error {
		c.visit("/status")
		if text := c.text(); !strings.Contains(text, "Disk data is short") {
			return fmt.Errorf("it shows %.500s", text)
		}
		return nil
	})
	c.sees("What is wrong, and what to do")
	c.click("[data-refresh] button")
	c.accessible("/status with a full disk")
	c.visit("/?service=payments")
	c.sees("4 traces, the newest first")
	c.follow(".found a")
	c.sees("web: GET /checkout", "What it waited for")
	c.visit("/services")
	c.sees("payments", "POST /charge")
	must(t, os.Remove(filler))
	until(t, a, 200)
	harness.Eventually(t, patience, "the status says that it is over", func() error {
		c.visit("/status")
		if text := c.text(); !strings.Contains(text, "Spans are taken.") {
			return fmt.Errorf("it shows %.500s", text)
		}
		return nil
	})
}

// TestPagesWithoutATempo is where spans are brought to a Tempo that is away, and
// nothing can be read.
func TestPagesWithoutATempo(t *testing.T) {
	t.Parallel()
	a := harness.Start(t, harness.Options{Env: map[string]string{
		"APPLIANCE_FORWARDER_TEMPO_URL": "http://127.0.0.1:1", "APPLIANCE_FORWARDER_DRAIN_DEADLINE": "1s",
		"APPLIANCE_SPOOL_MAX_BYTES": "1MiB",
	}})
	until(t, a, 503)
	c := start(t, "http://"+a.Read)
	harness.Eventually(t, patience, "the status says so", func() error {
		c.visit("/status")
		if text := c.text(); !strings.Contains(text, "Spans are refused") {
			return fmt.Errorf("it shows %.500s", text)
		}
		return nil
	})
	c.sees("What is wrong, and what to do", "the spool is full", "a Tempo at http://127.0.0.1:1")
	c.visit("/")
	c.sees("There is no Tempo to read from")
	c.refused("/trace/"+checkoutID(0), 503)
	c.sees("Nothing to read from")
	c.accessible("a page that says what is wrong")
}

// until sends spans until they are answered with a status.
func until(t testing.TB, a *harness.Appliance, status int) {
	t.Helper()
	harness.Eventually(t, patience, fmt.Sprintf("spans are answered with %d", status), func() error {
		r, _ := harness.NewRequest("shop", 100, 20)
		answer, err := a.Export(t.Context(), r)
		if err == nil && answer.Status != status {
			err = fmt.Errorf("it is %d: %s", answer.Status, answer.Body)
		}
		return err
	})
}

// smallDisk mounts a filesystem of so many bytes in memory.
func smallDisk(t testing.TB, bytes int64) string {
	t.Helper()
	mount := t.TempDir()
	command(t, "mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%d", bytes), "tmpfs", mount)
	t.Cleanup(func() {
		harness.EndOrphans(t, mount)
		command(t, "umount", mount)
	})
	return mount
}

func command(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v: %s", name, args, err, out)
	}
}

// fill takes all the room that is left.
func fill(t testing.TB, name string) {
	t.Helper()
	f, err := os.Create(name)
	must(t, err)
	defer f.Close()
	for block := make([]byte, 1<<20); ; {
		_, err := f.Write(block)
		switch {
		case errors.Is(err, syscall.ENOSPC) && len(block) == 1:
			return
		case errors.Is(err, syscall.ENOSPC):
			block = block[:len(block)/2]
		default:
			must(t, err)
		}
	}
}
