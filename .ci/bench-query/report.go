package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// contender is one of the two, with all that was measured.
type contender struct {
	name       string
	start      func() (*server, error)
	cold, warm map[string][]cost
	peaks      []int64
}

// round starts the server and asks each kind of request, cold and then warm.
func (c *contender) round(ctx context.Context, o *options, b *madeBlock) (err error) {
	s, err := c.start()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	if c.cold == nil {
		c.cold, c.warm = map[string][]cost{}, map[string][]cost{}
	}
	for _, q := range chosen(o.only) {
		if err := uncache(s.blocks); err != nil {
			return err
		}
		for n := range 1 + o.times {
			one, err := s.ask(ctx, q, b, n)
			if err != nil {
				return err
			}
			if n == 0 {
				c.cold[q.name] = append(c.cold[q.name], one)
			} else {
				c.warm[q.name] = append(c.warm[q.name], one)
			}
		}
	}
	peak, err := s.peak()
	c.peaks = append(c.peaks, peak)
	return err
}

// report prints a table, and fails where the two answered differently.
func report(w io.Writer, o *options, ours, theirs *contender) error {
	fmt.Fprintln(w, "| CPU of a request, ms (time, ms) | Tempo cold | appliance cold | ratio | Tempo warm | appliance warm | ratio |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|")
	var ratios [2][]float64 // cold and warm
	var wrong error
	for _, q := range chosen(o.only) {
		fmt.Fprintf(w, "| `%s` |", q.name)
		for i, pair := range [][2][]cost{{theirs.cold[q.name], ours.cold[q.name]}, {theirs.warm[q.name], ours.warm[q.name]}} {
			t, a := middle(pair[0]), middle(pair[1])
			ratio := float64(a.cpu) / float64(t.cpu)
			ratios[i] = append(ratios[i], ratio)
			fmt.Fprintf(w, " %.1f (%.1f) | %.1f (%.1f) | %.2f |", ms(t.cpu), ms(t.wall), ms(a.cpu), ms(a.wall), ratio)
		}
		fmt.Fprintln(w)
		if t, a := theirs.warm[q.name], ours.warm[q.name]; !slices.EqualFunc(t, a, func(x, y cost) bool { return x.answer == y.answer }) {
			wrong = errors.Join(wrong, fmt.Errorf("%s: Tempo finds %v, the appliance %v; the run is invalid", q.name, t[0].answer, a[0].answer))
		}
	}
	cold, warm := ratios[0], ratios[1]
	slices.Sort(cold)
	slices.Sort(warm)
	peak := func(c *contender) float64 { return float64(slices.Max(c.peaks)) / (1 << 20) }
	fmt.Fprintf(w, "\nCPU: %.2f of Tempo's in the median cold, %.2f warm; %.2f and %.2f at most. Peak RSS: %.0f MiB, Tempo %.0f MiB: %.2f of it.\n",
		median(cold), median(warm), cold[len(cold)-1], warm[len(warm)-1], peak(ours), peak(theirs), peak(ours)/peak(theirs))
	return wrong
}

// median is of numbers in order.
func median(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// middle has the medians of CPU time and of time.
func middle(costs []cost) (m cost) {
	var cpu, wall []time.Duration
	for _, c := range costs {
		cpu, wall = append(cpu, c.cpu), append(wall, c.wall)
	}
	slices.Sort(cpu)
	slices.Sort(wall)
	return cost{cpu: cpu[len(cpu)/2], wall: wall[len(wall)/2]}
}

func ms(d time.Duration) float64 { return float64(d) / 1e6 }
