package nomad

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
)

// catalog answers the service API of Nomad with blocking queries; it can be
// made to fail, which the real one cannot.
type catalog struct {
	*httptest.Server

	mu        sync.Mutex
	index     uint64
	instances []*api.ServiceRegistration
	failing   bool
	changed   chan struct{}
}

func newCatalog(t *testing.T) *catalog {
	c := &catalog{index: 7, changed: make(chan struct{}), instances: []*api.ServiceRegistration{}}
	c.Server = httptest.NewServer(http.HandlerFunc(c.serve))
	t.Cleanup(func() { c.CloseClientConnections(); c.Close() })
	return c
}

func (c *catalog) set(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
	c.index++
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *catalog) serve(w http.ResponseWriter, r *http.Request) {
	for {
		c.mu.Lock()
		failing, index, changed, instances := c.failing, c.index, c.changed, c.instances
		c.mu.Unlock()
		if failing {
			http.Error(w, "No cluster leader", http.StatusInternalServerError)
			return
		}
		asked, _ := strconv.ParseUint(r.URL.Query().Get("index"), 10, 64)
		if asked < index { // one above is waited for, as the real one does
			w.Header().Set("X-Nomad-Index", fmt.Sprint(index))
			_ = json.NewEncoder(w).Encode(instances) // a client that is gone is no matter
			return
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}

func instance(id string, port int, index uint64) *api.ServiceRegistration {
	return &api.ServiceRegistration{ID: id, ServiceName: "tempo", Address: "10.0.0.1", Port: port, CreateIndex: index}
}

func TestDiscovery(t *testing.T) {
	nomad := newCatalog(t)
	client, err := api.NewClient(&api.Config{Address: nomad.URL})
	if err != nil {
		t.Fatal(err)
	}
	d := Discover(client, "tempo", slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- d.Run(ctx) }()
	becomes := func(want string) {
		t.Helper()
		deadline := time.Now().Add(3 * time.Second)
		for {
			got, _, err := d.Address()
			if err != nil {
				got = err.Error()
			}
			if strings.Contains(got, want) {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("the address is %s, want %s", got, want)
			}
			<-time.After(5 * time.Millisecond)
		}
	}
	stays := func(want string) {
		t.Helper()
		<-time.After(50 * time.Millisecond)
		if got, _, err := d.Address(); got != want || err != nil {
			t.Fatalf("the address is %s, %v; want %s", got, err, want)
		}
	}

	becomes("no instance of service tempo is registered")
	nomad.set(func() { nomad.instances = []*api.ServiceRegistration{instance("a", 1000, 5)} })
	becomes("10.0.0.1:1000")
	// Rescheduled: nothing for a moment, then another port.
	nomad.set(func() { nomad.instances = []*api.ServiceRegistration{} })
	stays("10.0.0.1:1000")
	nomad.set(func() { nomad.instances = []*api.ServiceRegistration{instance("b", 2000, 6)} })
	becomes("10.0.0.1:2000")
	// A second one does not take over from one that is still there, but the
	// newest does from one that is gone.
	nomad.set(func() { nomad.instances = append(nomad.instances, instance("c", 3000, 7), instance("d", 4000, 8)) })
	stays("10.0.0.1:2000")
	nomad.set(func() { nomad.instances = nomad.instances[1:] })
	becomes("10.0.0.1:4000")
	// The same one on another port, after a restart in place.
	nomad.set(func() { nomad.instances = []*api.ServiceRegistration{instance("d", 4001, 8)} })
	becomes("10.0.0.1:4001")
	// Nomad away: without an answer, without a server, and with a state that
	// was restored to a lower index.
	nomad.set(func() { nomad.failing = true })
	stays("10.0.0.1:4001")
	<-time.After(2 * retryFirst) // it has been told of the failure by now
	nomad.set(func() {
		nomad.failing, nomad.index = false, 2
		nomad.instances = []*api.ServiceRegistration{instance("e", 5000, 1)}
	})
	becomes("10.0.0.1:5000")
	nomad.CloseClientConnections()
	nomad.set(func() { nomad.instances = []*api.ServiceRegistration{instance("f", 6000, 9)} })
	becomes("10.0.0.1:6000")

	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run returns %v", err)
	}
}

// TestNextIndex holds that an index that went back is not waited for, and that
// every query but the first blocks.
func TestNextIndex(t *testing.T) {
	for _, c := range []struct{ asked, answered, want uint64 }{{0, 0, 1}, {0, 9, 9}, {9, 9, 9}, {9, 12, 12}, {9, 3, 0}} {
		if got := next(c.asked, c.answered); got != c.want {
			t.Errorf("after asking for %d and an answer at %d, the next is %d, want %d", c.asked, c.answered, got, c.want)
		}
	}
}
