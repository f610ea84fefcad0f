package receiver

import (
	"math"
	"net/netip"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

// rememberedClients bounds the memory of quotas. A client that is forgotten,
// because so many others came since, starts with a full bucket.
const rememberedClients = 4096

// quota gives each client its own token bucket of requests. A client is an IPv4
// address or an IPv6 /64, the smallest net that one host is given: headers that
// name another one can be made up. Behind a proxy all are one client.
type quota struct {
	perSecond float64
	burst     int
	clients   *lru.Cache[netip.Prefix, *rate.Limiter]
}

func newQuota(perSecond float64, burst int) (*quota, error) {
	if perSecond <= 0 {
		return nil, nil
	}
	clients, err := lru.New[netip.Prefix, *rate.Limiter](rememberedClients)
	if err != nil {
		return nil, err
	}
	if burst == 0 {
		burst = int(math.Max(1, math.Ceil(2*perSecond)))
	}
	return &quota{perSecond: perSecond, burst: burst, clients: clients}, nil
}

// take returns 0 if the client may go on, else after how long it may.
func (q *quota) take(remoteAddr string) time.Duration {
	limiter := q.limiter(clientOf(remoteAddr))
	now := time.Now()
	slot := limiter.ReserveN(now, 1)
	wait := slot.DelayFrom(now)
	if wait > 0 {
		slot.CancelAt(now)
	}
	return wait
}

func (q *quota) limiter(client netip.Prefix) *rate.Limiter {
	if l, ok := q.clients.Get(client); ok {
		return l
	}
	l := rate.NewLimiter(rate.Limit(q.perSecond), q.burst)
	if earlier, ok, _ := q.clients.PeekOrAdd(client, l); ok {
		return earlier
	}
	return l
}

func clientOf(remoteAddr string) netip.Prefix {
	ap, err := netip.ParseAddrPort(remoteAddr)
	if err != nil {
		return netip.Prefix{}
	}
	addr := ap.Addr().Unmap().WithZone("")
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	p, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}
