package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// startJaeger starts a Jaeger that stores in badger on this disk. It
// acknowledges spans before they are written.
func startJaeger(ctx context.Context, o storeOptions, dir string) (*storeSide, error) {
	listeners := []string{
		"collector.otlp.http", "admin.http", "collector.otlp.grpc", "collector.http-server", "collector.grpc-server",
		"query.http-server", "query.grpc-server",
	}
	addrs, err := freePorts(len(listeners))
	if err != nil {
		return nil, err
	}
	store := filepath.Join(dir, "badger")
	keys, values := filepath.Join(store, "keys"), filepath.Join(store, "values")
	command := []string{
		filepath.Join(peersDir, jaeger), "--log-level=error",
		"--badger.ephemeral=false", "--badger.consistency=" + strconv.FormatBool(o.jaegerSync),
		"--badger.directory-key=" + keys, "--badger.directory-value=" + values,
	}
	for i, name := range listeners {
		command = append(command, "--"+name+".host-port="+addrs[i])
	}
	admin := "http://" + addrs[1]
	s := &storeSide{
		name: jaeger, url: "http://" + addrs[0] + "/v1/traces",
		parts:  map[string]string{"badger": store},
		blocks: []string{"badger"},
		eachID: func(_ string, visit func(id []byte)) (int, error) { return 0, jaegerIDs(keys, values, visit) },
	}
	var last string
	var since time.Time
	s.unsettled = func(ctx context.Context) (string, error) {
		// It does not say what is in its queue.
		const quiet = 10 * time.Second
		now, err := jaegerState(ctx, admin, store)
		if err != nil {
			return "", err
		}
		if now != last {
			last, since = now, time.Now()
		}
		if time.Since(since) < quiet {
			return "it still writes, " + now + " until now", nil
		}
		return "", nil
	}
	return s, startSide(ctx, s, dir, admin+"/", []string{"SPAN_STORAGE_TYPE=badger"}, command...)
}

// jaegerState is how many spans a Jaeger has written, and what they take.
func jaegerState(ctx context.Context, admin, store string) (string, error) {
	saved, err := jaegerSaved(ctx, admin)
	if err != nil {
		return "", err
	}
	bytes, err := usage(store, map[uint64]bool{})
	return fmt.Sprintf("%.0f spans in %d bytes", saved, bytes), err
}

// jaegerSaved is how many spans a Jaeger has written, or failed to write.
func jaegerSaved(ctx context.Context, admin string) (sum float64, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, admin+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if !strings.HasPrefix(lines.Text(), "jaeger_collector_spans_saved_by_svc_total{") {
			continue
		}
		value := lines.Text()[strings.LastIndexByte(lines.Text(), ' ')+1:]
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0, fmt.Errorf("read Jaeger's metrics: %w", err)
		}
		sum += n
	}
	return sum, lines.Err()
}

// jaegerIDs calls visit with the id of each span in a badger that no Jaeger has
// open.
func jaegerIDs(keys, values string, visit func(id []byte)) error {
	cmd := exec.Command(filepath.Join(peersDir, "jaeger-spans"), keys, values)
	var trouble strings.Builder
	cmd.Stderr = &trouble
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	err = eachID(bufio.NewReader(out), visit)
	if err != nil {
		_ = cmd.Process.Kill() // it may wait for its reader
	}
	if ended := cmd.Wait(); ended != nil {
		err = errors.Join(err, fmt.Errorf("read Jaeger's badger: %w: %s", ended, trouble.String()))
	}
	return err
}

// eachID calls visit with each 8 bytes.
func eachID(r io.Reader, visit func(id []byte)) error {
	var id [8]byte
	for {
		_, err := io.ReadFull(r, id[:])
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read a span's id: %w", err)
		}
		visit(id[:])
	}
}
