package lifecycle

import (
	"slices"
	"time"
)

// A Proc names a process for good: a pid is used again, but not with the same
// start time (field 22 of /proc/PID/stat, proc_pid_stat(5)).
type Proc struct {
	Pid   int    `json:"pid"`
	Start uint64 `json:"start"`
}

// A Worker is a process of a service as it was seen.
type Worker struct {
	Proc
	Shows   bool      // the sign that it has loaded its code
	Between bool      // it is no worker, but stands between the main process and workers
	Born    time.Time // when it began; zero: not known
}

// A Member is a process of a crew, and since when what is so.
type Member struct {
	Proc
	Since   time.Time `json:"since"`          // when it was first seen
	Shows   time.Time `json:"shows,omitzero"` // since when it shows its sign
	Between bool      `json:"between,omitempty"`
	Excused bool      `json:"excused,omitempty"` // its end tells nothing: it began before Crew.From
}

// A Crew is what has been seen of a set of workers, from look to look. The
// zero value has seen nothing.
type Crew struct {
	Members []Member  `json:"members,omitempty"`
	Born    int       `json:"born,omitempty"`   // since the first look, which counts
	Died    int       `json:"died,omitempty"`   // of those, before they had settled
	Changed time.Time `json:"changed,omitzero"` // when one last came or went
	Looked  time.Time `json:"looked,omitzero"`
	From    time.Time `json:"from,omitzero"` // when it was last excused
}

// Excuse forgets who has died, and does not count the deaths of those that have
// begun by now: the code may have been mended since.
func (c *Crew) Excuse(now time.Time) {
	c.From, c.Died = now, 0
	c.Members = slices.Clone(c.Members)
	for i := range c.Members {
		c.Members[i].Excused = true
	}
}

// See takes in what there is now. A worker has settled once it has shown its
// sign for that time. It never writes through what c shares with a copy.
func (c *Crew) See(now time.Time, workers []Worker, settle time.Duration) {
	var members []Member
	for _, w := range workers {
		m := Member{Proc: w.Proc, Since: now, Between: w.Between, Excused: !w.Born.IsZero() && w.Born.Before(c.From)}
		if i := slices.IndexFunc(c.Members, func(k Member) bool { return k.Proc == w.Proc }); i >= 0 {
			m = c.Members[i]
		} else {
			c.Born++
			c.Changed = now
		}
		switch {
		case !w.Shows:
			m.Shows = time.Time{}
		case m.Shows.IsZero():
			m.Shows = now
		}
		members = append(members, m)
	}
	for _, m := range c.Members {
		if !slices.ContainsFunc(members, func(k Member) bool { return k.Proc == m.Proc }) {
			c.Changed = now
			if !m.Excused && !m.settled(c.Looked, settle) {
				c.Died++
			}
		}
	}
	c.Members, c.Looked = members, now
}

func (m Member) settled(now time.Time, settle time.Duration) bool {
	return !m.Between && !m.Shows.IsZero() && now.Sub(m.Shows) >= settle
}

// HasSettled reports whether that worker had settled when c last looked.
func (c Crew) HasSettled(p Proc, settle time.Duration) bool {
	return slices.ContainsFunc(c.Members, func(m Member) bool { return m.Proc == p && m.settled(c.Looked, settle) })
}

// Settled is how many workers have settled.
func (c Crew) Settled(now time.Time, settle time.Duration) int {
	n := 0
	for _, m := range c.Members {
		if m.settled(now, settle) {
			n++
		}
	}
	return n
}

// Workers is how many workers there are.
func (c Crew) Workers() int {
	n := 0
	for _, m := range c.Members {
		if !m.Between {
			n++
		}
	}
	return n
}

// Steady reports whether there are workers, all have settled, and none has
// come or gone for that time.
func (c Crew) Steady(now time.Time, settle time.Duration) bool {
	n := c.Workers()
	return n > 0 && c.Settled(now, settle) == n && now.Sub(c.Changed) >= settle
}

// Churns reports whether workers are born and end before they have settled,
// more often than by chance where need of them are wanted.
func (c Crew) Churns(now time.Time, settle time.Duration, need int) bool {
	return c.Died > 2*max(1, need) && c.Settled(now, settle) == 0
}
