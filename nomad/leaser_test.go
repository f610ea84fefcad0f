package nomad

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/nomad/api"
)

// lockServer behaves as Nomad does with the lock of a variable: it is the
// holder's for a TTL from the moment that the server heard of it, and nobody's
// for the delay after a TTL ran out.
type lockServer struct {
	ttl, delay time.Duration

	mu      sync.Mutex
	holder  string
	expires time.Time // of the holder, or of the last one
	index   uint64
}

func (s *lockServer) expire() {
	if s.holder != "" && !time.Now().Before(s.expires) {
		s.holder = ""
	}
}

func (s *lockServer) acquire(who string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire()
	if s.holder != "" || time.Now().Before(s.expires.Add(s.delay)) {
		return fmt.Errorf("acquire conflict %w", api.ErrLockConflict)
	}
	s.index++
	s.holder, s.expires = who, time.Now().Add(s.ttl)
	return nil
}

func (s *lockServer) renew(who string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.expire(); s.holder != who {
		return fmt.Errorf("renew conflict %w", api.ErrLockConflict)
	}
	s.expires = time.Now().Add(s.ttl)
	return nil
}

func (s *lockServer) release(who string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.expire(); s.holder != who {
		return fmt.Errorf("release conflict %w", api.ErrLockConflict)
	}
	s.holder, s.expires = "", time.Now().Add(-s.delay)
	return nil
}

// wire is one process's way to the server: slow, and sometimes cut, before or
// after the server has heard.
type wire struct {
	server *lockServer
	who    string
	random *rand.Rand
	cut    atomic.Bool   // nothing gets through any more
	slow   time.Duration // at most, each way
	faulty float64       // share of calls whose request or answer is lost
}

func (w *wire) call(ctx context.Context, do func() error) error {
	if w.travel(ctx); ctx.Err() != nil || w.lost() {
		<-ctx.Done()
		return ctx.Err()
	}
	err := do()
	if w.travel(ctx); ctx.Err() != nil || w.lost() {
		<-ctx.Done()
		return ctx.Err()
	}
	return err
}

func (w *wire) lost() bool { return w.cut.Load() || w.random.Float64() < w.faulty }

func (w *wire) travel(ctx context.Context) {
	if w.slow > 0 {
		select {
		case <-time.After(time.Duration(w.random.Int64N(int64(w.slow)))):
		case <-ctx.Done():
		}
	}
}

func (w *wire) Acquire(ctx context.Context) error {
	return w.call(ctx, func() error { return w.server.acquire(w.who) })
}

func (w *wire) Renew(ctx context.Context) error {
	return w.call(ctx, func() error { return w.server.renew(w.who) })
}

func (w *wire) Release(ctx context.Context) error {
	return w.call(ctx, func() error { return w.server.release(w.who) })
}

func (w *wire) Fence(ctx context.Context) (fence uint64, err error) {
	err = w.call(ctx, func() error {
		w.server.mu.Lock()
		defer w.server.mu.Unlock()
		if fence = w.server.index; w.server.holder != w.who {
			return errors.New("held by another")
		}
		return nil
	})
	return fence, err
}

// watch notes who works, and fails the test when two do at once or a term's fence does not grow.
type watch struct {
	t *testing.T

	mu      sync.Mutex
	working string
	fence   uint64
	terms   map[string]int
}

func (w *watch) begin(who string, fence uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.working != "" {
		w.t.Errorf("%s begins while %s still works", who, w.working)
	}
	if fence <= w.fence {
		w.t.Errorf("the fence of %s is %d after one of %d", who, fence, w.fence)
	}
	w.working, w.fence = who, fence
	w.terms[who]++
}

func (w *watch) end(who string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.working == who {
		w.working = ""
	}
}

const testTTL = 15 * time.Second

func newTestLeaser(w *wire) *Leaser {
	return &Leaser{o: LeaserOptions{Path: "test", Holder: w.who, TTL: testTTL, Logger: slog.New(slog.DiscardHandler)}, lock: w}
}

// TestLeaserNeverTwo runs three processes over three hours with a network that
// loses and delays, and work that takes its time to stop: at most one works at
// any moment, and each gets its turn.
func TestLeaserNeverTwo(t *testing.T) {
	for seed := range uint64(10) {
		synctest.Test(t, func(t *testing.T) {
			server := &lockServer{ttl: testTTL, delay: lockDelay}
			seen := &watch{t: t, terms: map[string]int{}}
			ctx, cancel := context.WithCancel(t.Context())
			var all sync.WaitGroup
			for i := range 3 {
				random := rand.New(rand.NewPCG(seed, uint64(i)))
				w := &wire{server: server, who: fmt.Sprintf("process %d", i), random: random, slow: 3 * time.Second, faulty: 0.3}
				l := newTestLeaser(w)
				late := rand.New(rand.NewPCG(seed, uint64(100+i)))
				all.Go(func() {
					err := l.Run(ctx, func(term context.Context) error {
						seen.begin(w.who, TermOf(term).Fence)
						defer seen.end(w.who)
						<-term.Done()
						// the work stops late, within what is promised
						<-time.After(time.Duration(late.Int64N(int64(testTTL / 3))))
						return term.Err()
					})
					if err != nil {
						t.Errorf("%s: %v", w.who, err)
					}
				})
			}
			<-time.After(3 * time.Hour)
			cancel()
			all.Wait()
			for i := range 3 {
				if who := fmt.Sprintf("process %d", i); seen.terms[who] == 0 {
					t.Errorf("seed %d: %s never had its turn: %v", seed, who, seen.terms)
				}
			}
		})
	}
}

// TestLeaserKeeps holds that a term lasts as long as Nomad answers, and that
// the lock is free at once after the end.
func TestLeaserKeeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &lockServer{ttl: testTTL, delay: lockDelay}
		l := newTestLeaser(&wire{server: server, who: "a", random: rand.New(rand.NewPCG(1, 1))})
		ctx, cancel := context.WithCancel(t.Context())
		var terms atomic.Int64
		done := make(chan error)
		go func() {
			done <- l.Run(ctx, func(term context.Context) error {
				terms.Add(1)
				<-term.Done()
				return term.Err()
			})
		}()
		<-time.After(time.Hour)
		if terms.Load() != 1 || !l.Holding() {
			t.Errorf("%d terms in an hour without a fault, holding: %t", terms.Load(), l.Holding())
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run returns %v", err)
		}
		if err := server.acquire("b"); err != nil {
			t.Errorf("the lock was not released: %v", err)
		}
	})
}

// TestLeaserCut holds that a process that Nomad does not hear from stops its
// work while the lock is still its own.
func TestLeaserCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &lockServer{ttl: testTTL, delay: lockDelay}
		w := &wire{server: server, who: "a", random: rand.New(rand.NewPCG(1, 1))}
		l := newTestLeaser(w)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		stopped := make(chan time.Time, 1)
		began := make(chan *Term, 1)
		go func() {
			done <- l.Run(ctx, func(working context.Context) error {
				began <- TermOf(working)
				<-working.Done()
				stopped <- time.Now()
				return nil
			})
		}()
		term := <-began
		<-time.After(time.Minute)
		if !term.Held() {
			t.Error("the term does not hold its lock")
		}
		w.cut.Store(true)
		at := <-stopped
		if term.Held() {
			t.Error("the term says that it holds the lock after its end")
		}
		if server.expire(); server.holder != "a" {
			t.Errorf("the work was stopped when the lock was lost already")
		}
		if left := server.expires.Sub(at); left < testTTL/3 {
			t.Errorf("the work has %s to stop, want at least %s", left, testTTL/3)
		}
		cancel()
		<-done
	})
}

// TestLeaserWork holds what Run does when the work ends by itself.
func TestLeaserWork(t *testing.T) {
	for name, want := range map[string]error{"done": nil, "failed": errors.New("no disk")} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := &lockServer{ttl: testTTL, delay: lockDelay}
				l := newTestLeaser(&wire{server: server, who: "a", random: rand.New(rand.NewPCG(1, 1))})
				if err := l.Run(t.Context(), func(context.Context) error { return want }); !errors.Is(err, want) {
					t.Errorf("Run returns %v, want %v", err, want)
				}
				if server.holder != "" {
					t.Error("the lock was not released")
				}
			})
		})
	}
}

// TestConfirm holds that a term is confirmed by a renewal that was sent after
// the question, and by nothing else.
func TestConfirm(t *testing.T) {
	for name, cut := range map[string]bool{"Nomad answers": false, "Nomad is away": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &wire{server: &lockServer{ttl: testTTL, delay: lockDelay}, who: "a", random: rand.New(rand.NewPCG(1, 1))}
				ctx, cancel := context.WithCancel(t.Context())
				answers := make(chan error, 1)
				done := make(chan error)
				go func() {
					done <- newTestLeaser(w).Run(ctx, func(working context.Context) error {
						if len(answers) == 0 {
							<-time.After(time.Second) // the acquisition is older
							w.cut.Store(cut)
							asked := time.Now()
							err := TermOf(working).Confirm(working)
							if took := time.Since(asked); err == nil && (took <= 0 || took > testTTL/6) {
								t.Errorf("confirmed after %s", took)
							}
							answers <- err
						}
						<-working.Done()
						return nil
					})
				}()
				if err := <-answers; cut != errors.Is(err, errLost) {
					t.Errorf("Confirm returns %v", err)
				}
				cancel()
				<-done
			})
		})
	}
}
