package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

//go:embed tempo-store.yaml
var tempoStoreConfig string

// storeSide is a server that stores spans, while it runs.
type storeSide struct {
	name  string
	p     *process
	url   string        // of its OTLP/HTTP
	ready time.Duration // from its start on
	// unsettled says what is still to be done with what it took; empty: it is
	// durable, merged, and archived where the server does that.
	unsettled func(ctx context.Context) (string, error)
	parts     map[string]string // directories by what is in them
	blocks    []string          // of parts: those that have each span once
	// eachID calls visit with the id of each span in one of these, after the
	// server has ended, and returns in how many blocks they are.
	eachID func(dir string, visit func(id []byte)) (blocks int, err error)
}

// startSide starts a server and waits until it is ready.
func startSide(ctx context.Context, s *storeSide, dir, readyURL string, env []string, command ...string) error {
	began := time.Now()
	p, err := startProcess(s.name, dir, env, command...)
	if err != nil {
		return err
	}
	s.p = p
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err = every(ctx, 5*time.Millisecond, func() (string, error) {
		if resp, err := http.Get(readyURL); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return "", nil
			}
		}
		select {
		case <-p.ended:
			return "", fmt.Errorf("%s ended: %s\n%s", s.name, p.cmd.ProcessState, p.tail())
		default:
			return "not ready", nil
		}
	})
	s.ready = time.Since(began)
	if err != nil {
		return fmt.Errorf("start %s: %w\n%s", s.name, err, p.tail())
	}
	return nil
}

// every asks again and again until nothing is left to wait for.
func every(ctx context.Context, wait time.Duration, left func() (string, error)) error {
	tick := time.NewTicker(wait)
	defer tick.Stop()
	for {
		why, err := left()
		if err != nil || why == "" {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %s", ctx.Err(), why)
		case <-tick.C:
		}
	}
}

// freePorts are addresses of loopback.
func freePorts(n int) (addrs []string, err error) {
	for range n {
		addr, err := freePort()
		if err != nil {
			return nil, err
		}
		addrs = append(addrs, addr)
	}
	return addrs, nil
}

// startStore starts the appliance as it is, but for the time after which it
// merges and archives.
func startStore(ctx context.Context, o storeOptions, dir string) (*storeSide, error) {
	addrs, err := freePorts(3)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	api := "http://" + addrs[2]
	s := &storeSide{
		name: appliance, url: "http://" + addrs[0] + "/v1/traces",
		parts:  map[string]string{"spool": filepath.Join(data, "spool"), "blocks": filepath.Join(data, "blocks"), "archive": filepath.Join(data, "archive")},
		blocks: []string{"blocks", "archive"}, eachID: blockIDs,
	}
	s.unsettled = func(ctx context.Context) (string, error) { return storeUnsettled(ctx, api, s.parts["blocks"]) }
	return s, startSide(ctx, s, dir, api+"/ready", []string{
		"APPLIANCE_DATA_DIR=" + data,
		"APPLIANCE_RECEIVER_LISTEN=" + addrs[0],
		"APPLIANCE_RECEIVER_GRPC_LISTEN=" + addrs[1],
		"APPLIANCE_HTTP_LISTEN=" + addrs[2],
		"APPLIANCE_BLOCKS_MERGE_AFTER=" + o.merge.String(),
		"APPLIANCE_ARCHIVE_DELAY=0s",
		"APPLIANCE_LOG_FORMAT=json",
		"APPLIANCE_LOG_LEVEL=warn",
	}, o.appliance, "serve")
}

// storeUnsettled asks the appliance. Every span has to be in a block, every
// block merged, and every block in the archive.
func storeUnsettled(ctx context.Context, api, blocks string) (string, error) {
	var status struct {
		Ledger struct {
			Pending     int64 `json:"pending"`
			Unaccounted int64 `json:"unaccounted"`
		} `json:"ledger"`
		Store struct {
			Blocks  int `json:"blocks"`
			ToMerge int `json:"blocks_to_merge"`
		} `json:"store"`
		Archive struct {
			SourceBlocks  int       `json:"source_blocks"`
			PendingBlocks int       `json:"pending_blocks"`
			LastSuccess   time.Time `json:"last_success"`
		} `json:"archive"`
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, api+"/api/v1/status", nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&status); err != nil {
		return "", fmt.Errorf("read the appliance's status: %w", err)
	}
	commits, err := filepath.Glob(filepath.Join(blocks, "@commits", "*"))
	if err != nil {
		return "", err
	}
	st, ar := &status.Store, &status.Archive
	switch {
	case status.Ledger.Unaccounted != 0:
		return "", fmt.Errorf("%d spans are unaccounted", status.Ledger.Unaccounted)
	case status.Ledger.Pending > 0 || st.ToMerge > 0 || len(commits) > 0:
		return fmt.Sprintf("%d spans are in no block, %d of %d blocks are to be merged", status.Ledger.Pending, st.ToMerge, st.Blocks), nil
	case ar.SourceBlocks != st.Blocks || ar.PendingBlocks > 0:
		return fmt.Sprintf("the archiver knows %d of %d blocks, %d of them not archived yet", ar.SourceBlocks, st.Blocks, ar.PendingBlocks), nil
	}
	return "", nil
}

// startTempo starts a Tempo that stores on this disk.
func startTempo(ctx context.Context, o storeOptions, dir string) (*storeSide, error) {
	addrs, err := freePorts(3)
	if err != nil {
		return nil, err
	}
	port := func(addr string) string {
		_, port, _ := net.SplitHostPort(addr)
		return port
	}
	values := map[string]string{"BENCH_OTLP": addrs[0], "BENCH_HTTP": port(addrs[1]), "BENCH_GRPC": port(addrs[2]), "BENCH_DIR": dir}
	config := filepath.Join(dir, "tempo.yaml")
	if err := os.WriteFile(config, []byte(os.Expand(tempoStoreConfig, func(name string) string { return values[name] })), 0o600); err != nil {
		return nil, err
	}
	s := &storeSide{
		name: tempo, url: "http://" + addrs[0] + "/v1/traces",
		parts:  map[string]string{"wal": filepath.Join(dir, "wal"), "blocks": filepath.Join(dir, "blocks")},
		blocks: []string{"blocks"}, eachID: blockIDs,
	}
	var last string
	var since time.Time
	s.unsettled = func(context.Context) (string, error) {
		// Three rounds of its compactor without a change.
		const quiet = 15 * time.Second
		now, busy, err := tempoBlocks(dir)
		if err != nil {
			return "", err
		}
		if busy || now != last || since.IsZero() {
			last, since = now, time.Now()
		}
		if time.Since(since) < quiet {
			return "its blocks still change", nil
		}
		return "", nil
	}
	return s, startSide(ctx, s, dir, "http://"+addrs[1]+"/ready", nil, o.tempo, "-config.file="+config)
}

// tempoBlocks lists a Tempo's blocks, and says whether something is in its
// ingester or still to be deleted. The ingester always has a block that has no
// spans yet.
func tempoBlocks(dir string) (all string, busy bool, err error) {
	for _, pattern := range []string{"wal/*+*/*", "wal/blocks/*/*", "blocks/*/*/meta.compacted.json"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return "", false, err
		}
		for _, name := range found {
			info, err := os.Stat(name)
			busy = busy || err == nil && info.Size() > 0
		}
	}
	found, err := filepath.Glob(filepath.Join(dir, "blocks/*/*/meta.json"))
	return fmt.Sprint(found), busy, err
}

// usage is how much room the files of a directory take on their disk. What has
// several names counts once, also over several calls with one map.
func usage(dir string, counted map[uint64]bool) (bytes int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			if os.IsNotExist(err) {
				return nil // gone meanwhile
			}
			return err
		}
		info, err := d.Info()
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil {
			return err
		}
		if st := info.Sys().(*syscall.Stat_t); !counted[st.Ino] {
			counted[st.Ino] = true
			bytes += st.Blocks * 512
		}
		return nil
	})
	return bytes, err
}
