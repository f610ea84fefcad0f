package harness

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"testing"
	"time"
)

// Ports for listeners, below those that the kernel gives to connections and
// Nomad to tasks: a port of theirs may be taken between here and where it is
// listened on.
const firstPort, ports = 10_000, 10_000

var (
	portsFrom = rand.Uint32N(ports) // another in each process
	portsUsed atomic.Uint32
)

// FreePort returns a loopback address, host:port, that nothing listens on, and
// that it has not returned before.
func FreePort(t testing.TB) string {
	t.Helper()
	for range ports {
		addr := fmt.Sprintf("127.0.0.1:%d", firstPort+(portsFrom+portsUsed.Add(1))%ports)
		if l, err := net.Listen("tcp", addr); err == nil {
			if err := l.Close(); err != nil {
				t.Fatalf("close %s again: %v", addr, err)
			}
			return addr
		}
	}
	t.Fatal("no port is free")
	return ""
}

// Listens tells whether something takes connections at addr.
func Listens(addr string) bool {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	return c.Close() == nil
}
