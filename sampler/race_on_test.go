//go:build race

package sampler

// fewer makes a test that compares in one goroutine short where the race
// detector has nothing to find.
func fewer(n int) int { return n / 20 }
