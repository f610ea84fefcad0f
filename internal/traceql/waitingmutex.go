package traceql

// waitingMutex is a lock for which one waits within a function of the caller.
type waitingMutex struct {
	held chan struct{}
	wait func(func())
}

func newWaitingMutex(wait func(func())) waitingMutex {
	if wait == nil {
		wait = func(do func()) { do() }
	}
	return waitingMutex{make(chan struct{}, 1), wait}
}

// Lock implements sync.Locker.
func (m waitingMutex) Lock() {
	select {
	case m.held <- struct{}{}:
	default:
		m.wait(func() { m.held <- struct{}{} })
	}
}

// Unlock implements sync.Locker.
func (m waitingMutex) Unlock() { <-m.held }
