package tail

import (
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"appliance/internal/durable/crashfs"
)

func perService(perSecond float64) Settings {
	return Settings{Wait: 5 * time.Second, Remember: time.Minute, Rules: []Rule{
		{Name: "rate", Keep: Keep{SpansPerSecond: perSecond}, Per: []string{"resource.service.name"}},
	}}
}

// TestLargeValuesAreNotHeld has a client send values of per as large as a
// request allows, each another one.
func TestLargeValuesAreNotHeld(t *testing.T) {
	const values, size = 32, 512 << 10
	trial, err := NewTrial(perService(1).Rules, threshold)
	if err != nil {
		t.Fatal(err)
	}
	before := heap()
	for i := range uint64(values) {
		service := strings.Repeat("x", size) + strings.Repeat("y", int(i))
		if err := trial.Add("a", request(sp{trace: i, id: i + 1, name: "work", service: service})); err != nil {
			t.Fatal(err)
		}
	}
	if held := int64(heap()) - int64(before); held > size {
		t.Errorf("%d values of %d bytes take %d bytes", values, size, held)
	}
	if n := len(trial.values.number); n != values {
		t.Errorf("%d values are told apart, want %d", n, values)
	}
	runtime.KeepAlive(trial)
}

// heap is how many bytes are in use.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestValuesMakeRoom has more values come one after the other than are told
// apart at a time: the latest have rates of their own, too.
func TestValuesMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, crashfs.New(), newOutside(), perService(2))
		id := uint64(0)
		send := func(services ...string) {
			var out []sp
			for _, service := range services {
				id++
				out = append(out, sp{trace: id, id: id, name: "work", service: service})
			}
			if err := w.send(out...); err != nil {
				t.Fatal(err)
			}
		}
		for i := 0; i < maxGroups; i += 16 {
			var pods []string
			for j := range 16 {
				pods = append(pods, "pod-"+strconv.Itoa(i+j))
			}
			send(pods...)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		first := id
		for range 60 {
			send(append(slicesOf("loud", 50), "quiet")...)
			time.Sleep(time.Second)
		}
		time.Sleep(6 * time.Second)
		synctest.Wait()
		quiet, loud := 0, 0
		for n := first + 1; n <= id; n++ {
			if w.got[n].times == 0 {
				continue
			}
			if (n-first)%51 == 0 {
				quiet++
			} else {
				loud++
			}
		}
		if quiet != 60 || loud < 60 || loud > 180 {
			t.Errorf("%d of 60 spans are kept of the service below its rate, and %d of the other, want 120", quiet, loud)
		}
		w.stop()
		if n := len(w.line.rates); n > 2 {
			t.Errorf("%d rates are held, and two services are alive", n)
		}
	})
}

func slicesOf(s string, n int) []string { return strings.Fields(strings.Repeat(s+" ", n)) }
