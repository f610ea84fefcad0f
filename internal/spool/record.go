package spool

import (
	"errors"
	"fmt"
	"time"
)

// MaxPayload is the largest payload of a record in bytes.
const MaxPayload = 64 << 20

// MaxTenant is the longest name of a tenant in bytes.
const MaxTenant = 255

// Errors that callers branch on.
var (
	// ErrFull refuses an append that would exceed MaxBytes. Space comes back by Release.
	ErrFull = errors.New("spool is full")
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("spool is closed")
	// ErrTooLarge refuses a record that no segment can hold.
	ErrTooLarge = errors.New("record is too large")
	// ErrOverLimit leaves a record unread whose payload is larger than its reader wants.
	ErrOverLimit = errors.New("record is over the limit")
	// ErrDamaged says that there is no readable record at a position any more.
	ErrDamaged = errors.New("record is damaged")
	// ErrGone says that a position's segment has been deleted, or never was.
	ErrGone = errors.New("record is gone")
	// ErrVersion says that a later version of this package wrote a file.
	ErrVersion = errors.New("unknown format version")
)

// Record is what is appended and read back.
type Record struct {
	Tenant  string
	Spans   int       // how many spans Payload holds; only counted here
	Time    time.Time // when it was received; kept in nanoseconds
	Payload []byte
}

// Position names a record for as long as it is not released.
type Position struct {
	Segment uint64
	Offset  int64
}

func (p Position) String() string { return fmt.Sprintf("%016x:%d", p.Segment, p.Offset) }

// Compare orders positions as their records were appended.
func (p Position) Compare(q Position) int {
	switch {
	case p == q:
		return 0
	case p.Segment < q.Segment, p.Segment == q.Segment && p.Offset < q.Offset:
		return -1
	}
	return 1
}

// Counts are records and the spans in them.
type Counts struct {
	Records int64 `json:"records"`
	Spans   int64 `json:"spans"`
}

func (c Counts) plus(d Counts) Counts  { return Counts{c.Records + d.Records, c.Spans + d.Spans} }
func (c Counts) minus(d Counts) Counts { return Counts{c.Records - d.Records, c.Spans - d.Spans} }

// Tally is Counts, in all and by tenant. What was lost with its header has no
// tenant that could be known, and is counted under "".
type Tally struct {
	Counts
	Tenants map[string]Counts `json:"tenants,omitempty"`
}

func (t *Tally) add(tenant string, c Counts) {
	if c == (Counts{}) {
		return
	}
	if t.Tenants == nil {
		t.Tenants = make(map[string]Counts)
	}
	t.Counts = t.Counts.plus(c)
	t.Tenants[tenant] = t.Tenants[tenant].plus(c)
}

func (t *Tally) addAll(u Tally) {
	for tenant, c := range u.Tenants {
		t.add(tenant, c)
	}
}

// minus is t without u. It keeps negative counts, so that sums stay exact
// where "" stands for a tenant.
func (t Tally) minus(u Tally) Tally {
	var d Tally
	d.addAll(t)
	for tenant, c := range u.Tenants {
		d.add(tenant, Counts{}.minus(c))
	}
	for tenant, c := range d.Tenants {
		if c == (Counts{}) {
			delete(d.Tenants, tenant)
		}
	}
	return d
}
