package sampler

import "time"

// topServices is how many services are reported by name.
const topServices = 20

// Stats is the state of a sampler at one moment, for metrics and status.
type Stats struct {
	Probability float64 // configured, for services without one of their own
	Target      float64 // spans per second; 0 is none
	Window      Window  // the last one that ended; zero without a target
}

// Window is what was measured in one window of a target. Its spans
// are those that were decided on, also if their request was refused afterwards.
type Window struct {
	Took         time.Duration
	All          ServiceRate   // Name is empty
	Services     []ServiceRate // the busiest ones, at most 20, the busiest first
	Rest         ServiceRate   // all other services together; Name is empty
	RestServices int           // how many of the others were counted one by one
}

// ServiceRate is how one service is sampled.
type ServiceRate struct {
	Name        string    // service.name; empty where there is none
	Arrived     float64   // spans per second
	Kept        float64   // spans per second
	Probability float64   // effective: Kept over Arrived
	Threshold   Threshold // from now on, on top of the configured rate
}

// Stats takes a snapshot.
func (s *Sampler) Stats() Stats {
	p := s.current.Load()
	st := Stats{Probability: p.config.Probability, Target: p.config.TargetSpansPerSecond}
	if p.target != nil {
		st.Window = *p.target.windows.Load()
	}
	return st
}

// report sums a window up; busiest is sorted so.
func report(busiest []demand, rest *service, took time.Duration) *Window {
	w := &Window{Took: took}
	for i := range busiest {
		d := &busiest[i]
		w.All.add(d, took)
		if d.service != rest && len(w.Services) < topServices {
			r := ServiceRate{Name: d.name, Threshold: Threshold(d.raised.Load())}
			r.add(d, took)
			w.Services = append(w.Services, r)
			continue
		}
		w.Rest.add(d, took)
		w.Rest.Threshold = max(w.Rest.Threshold, Threshold(d.raised.Load()))
		if d.service != rest {
			w.RestServices++
		}
	}
	return w
}

func (r *ServiceRate) add(d *demand, took time.Duration) {
	r.Arrived += d.arrived / took.Seconds()
	r.Kept += d.kept / took.Seconds()
	if r.Arrived > 0 {
		r.Probability = r.Kept / r.Arrived
	}
}
