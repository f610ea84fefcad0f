// Package wallclock judges whether the wall clock can be trusted, for what is
// deleted by its age.
//
//   - While we run, the wall clock must advance as the monotonic one does.
//     Where the two part by more than Tolerance between two looks (somebody set
//     the clock, the machine slept), it is on trial until they have kept step
//     again for some time. A second jump starts the trial again.
//   - At start there is only what was written down before. A clock that is
//     behind that, or ahead by more than a trial, or nothing written down,
//     begins with a trial as well.
//
// So a clock that is wrong for less than a trial deletes nothing. One that is
// wrong for longer is believed.
package wallclock

import (
	"fmt"
	"time"
)

const (
	Tolerance = time.Minute
	Trial     = time.Hour // for what is kept for longer than that
)

// Clock judges the wall clock. It is not safe for concurrent use.
type Clock struct {
	wall func() time.Time
	mono func() time.Duration // since any moment
	// trial is for how long a clock must keep step to be trusted.
	trial time.Duration

	lastWall time.Time
	lastMono time.Duration
	trialTo  time.Duration // on mono; trusted from then on
	reason   string
}

// New starts with the wall time that an earlier run saw last, zero for none. mono is
// the monotonic time since any moment, and trial for how long a clock that is
// doubted must keep step.
func New(wall func() time.Time, mono func() time.Duration, trial time.Duration, seen time.Time) *Clock {
	c := &Clock{wall: wall, mono: mono, trial: trial}
	c.lastWall, c.lastMono = wall().Round(0), mono()
	switch since := c.lastWall.Sub(seen); {
	case seen.IsZero():
		c.try("there is no record of the time before this start")
	case since < -Tolerance:
		c.try(fmt.Sprintf("the clock is %s behind the last record of it", -since.Round(time.Second)))
	case since > trial:
		c.try(fmt.Sprintf("the last record of the time is %s old", since.Round(time.Second)))
	}
	return c
}

func (c *Clock) try(reason string) {
	c.trialTo, c.reason = c.lastMono+c.trial, reason
}

// Look returns why the clock is not to be trusted, and "" where it is.
func (c *Clock) Look() string {
	wall, mono := c.wall().Round(0), c.mono()
	drift := wall.Sub(c.lastWall) - (mono - c.lastMono)
	c.lastWall, c.lastMono = wall, mono
	if drift.Abs() > Tolerance {
		c.try(fmt.Sprintf("the clock jumped by %s", drift.Round(time.Second)))
	}
	if mono >= c.trialTo {
		return ""
	}
	return fmt.Sprintf("%s; it is trusted again after %s of keeping step", c.reason, (c.trialTo - mono).Round(time.Second))
}
