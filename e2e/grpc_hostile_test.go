package e2e

import (
	"bytes"
	"context"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"

	"appliance/e2e/internal/harness"
)

// TestHostileGRPC attacks OTLP/gRPC with what HTTP/2 makes cheap for a client
// and dear for a server. The kernel kills an appliance that wants more than 128
// MiB; after each attack it must take spans at once.
func TestHostileGRPC(t *testing.T) {
	backend := harness.NewBackend(t)
	a := harness.Start(t, harness.Options{Env: backend.Env(), Cgroup: harness.NewMemoryCgroup(t, 128*mebi)})
	client := collector.NewTraceServiceClient(dialConn(t, a.GRPC))
	good := func(t *testing.T) {
		t.Helper()
		request, _ := harness.NewRequest("good", 5, 3)
		harness.Eventually(t, 20*time.Second, "spans taken after the attack", func() error {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			_, err := client.Export(ctx, request)
			return err
		})
	}
	good(t)
	message := goodRequest()
	bomb := gzipped(t, zeros(100*mebi))
	gzip := hpack.HeaderField{Name: "grpc-encoding", Value: "gzip"}

	for _, attack := range []struct {
		name        string
		connections int
		settings    []http2.Setting
		unread      bool // answers are left on the wire
		do          func(h *harness.HTTP2) error
	}{
		{name: "idle connections", connections: 600, do: func(h *harness.HTTP2) error { return h.Flush() }},
		{name: "streams without a message", connections: 100, do: func(h *harness.HTTP2) error {
			for range 100 {
				h.Export()
			}
			return h.Flush()
		}},
		{name: "streams with huge headers", connections: 100, do: func(h *harness.HTTP2) error {
			for range 100 {
				h.Export(harness.ManyFields(400)...)
			}
			return h.Flush()
		}},
		{name: "headers that never end", connections: 20, do: func(h *harness.HTTP2) error {
			filler := bytes.Repeat([]byte{0x00, 0x01, 'x', 0x01, 'y'}, 3000)
			_ = h.Frames.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: filler})
			for range 1000 {
				if err := h.Frames.WriteContinuation(1, false, filler); err != nil {
					return err
				}
			}
			return h.Flush()
		}},
		{name: "more streams than are allowed", connections: 20, do: func(h *harness.HTTP2) error {
			for range 20_000 {
				h.Export()
			}
			return h.Flush()
		}},
		{name: "rapid reset", connections: 20, do: func(h *harness.HTTP2) error {
			for range 20_000 {
				_ = h.Frames.WriteRSTStream(h.Export(), http2.ErrCodeCancel)
			}
			return h.Flush()
		}},
		{name: "rapid reset of good messages with huge headers", connections: 20, do: func(h *harness.HTTP2) error {
			for range 200 {
				stream := h.Export(harness.ManyFields(400)...)
				h.Data(stream, true, harness.GRPCFrame(0, uint32(len(message)), message))
				_ = h.Frames.WriteRSTStream(stream, http2.ErrCodeCancel)
			}
			return h.Flush()
		}},
		{name: "pings whose answers nobody reads", connections: 100, unread: true, do: func(h *harness.HTTP2) error {
			for range 60_000 {
				if err := h.Frames.WritePing(false, [8]byte{}); err != nil {
					return err
				}
			}
			return h.Flush()
		}},
		{name: "settings whose answers nobody reads", connections: 100, unread: true, do: func(h *harness.HTTP2) error {
			for range 60_000 {
				if err := h.Frames.WriteSettings(); err != nil {
					return err
				}
			}
			return h.Flush()
		}},
		{name: "answers that nobody takes", connections: 100, settings: []http2.Setting{{ID: http2.SettingInitialWindowSize, Val: 0}},
			do: func(h *harness.HTTP2) error {
				for range 100 {
					h.Data(h.Export(harness.ManyFields(100)...), true, harness.GRPCFrame(0, 0, nil))
				}
				return h.Flush()
			}},
		{name: "messages that stop in the middle", connections: 300, do: func(h *harness.HTTP2) error {
			part := harness.GRPCFrame(0, 16*mebi, make([]byte, 48<<10))
			for range 4 {
				h.Data(h.Export(), false, part)
			}
			return h.Flush()
		}},
		{name: "claims of 4 GiB", connections: 50, do: func(h *harness.HTTP2) error {
			for range 50 {
				h.Data(h.Export(), false, harness.GRPCFrame(0, 1<<32-1, make([]byte, 1000)))
			}
			return h.Flush()
		}},
		{name: "bombs", connections: 16, do: func(h *harness.HTTP2) error {
			for range 4 {
				h.Data(h.Export(gzip), true, harness.GRPCFrame(1, uint32(len(bomb)), bomb))
			}
			return h.Flush()
		}},
	} {
		t.Run(attack.name, func(t *testing.T) {
			var clients sync.WaitGroup
			for range attack.connections {
				h := harness.DialHTTP2(t, a.GRPC, attack.settings...)
				if !attack.unread {
					h.Discard()
				}
				// A connection that the server ends, or does not read from, is one way to hold out.
				clients.Go(func() { _ = attack.do(h) })
			}
			clients.Wait()
			if !a.Alive() {
				t.Fatal("the appliance is gone")
			}
			t.Logf("peak memory %d MiB", harness.MemoryOf(t, a.Pid).Peak/mebi)
		})
		t.Run("after "+attack.name, good)
	}
}

func dialConn(t *testing.T, address string) *grpc.ClientConn {
	t.Helper()
	c, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}
