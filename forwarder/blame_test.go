package forwarder

import "testing"

// Only failures with something taken between each and the next are blamed on the shipment.
func TestBlame(t *testing.T) {
	for name, c := range map[string]struct {
		taken []int64 // by Tempo, at each failure
		sure  bool
	}{
		"an outage":                       {[]int64{5, 5, 5, 5, 5, 5}, false},
		"an outage from the start":        {[]int64{0, 0, 0, 0, 0, 0}, false},
		"others are taken":                {[]int64{0, 1, 2}, true},
		"others are taken now and then":   {[]int64{3, 3, 7, 7, 7, 8}, true},
		"one was taken in an outage":      {[]int64{3, 3, 4, 4, 4}, false},
		"it failed twice between others":  {[]int64{3, 9}, false},
		"it failed before anything taken": {[]int64{0, 0, 1}, false},
	} {
		var b blame
		for _, taken := range c.taken {
			b.add(taken)
		}
		if b.sure() != c.sure {
			t.Errorf("%s: sure is %t", name, b.sure())
		}
	}
}
