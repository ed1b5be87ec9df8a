package supervise

import (
	"runtime/debug"
	"time"
)

const (
	quietAfter  = time.Second // without anything to do
	gcPercent   = 50          // while there is
	memoryLimit = 64 << 20    // at which garbage is collected in any case
)

// quiet gives memory back when nothing has happened for a while, and then has
// the runtime collect no garbage: it would do so every two minutes, for
// nothing (runtime.forcegcperiod). What is allocated outside the loop
// meanwhile is bounded by the memory limit.
type quiet struct {
	last  time.Time // when there was something to do
	calm  bool
	armed bool
}

// busy notes that there is something to do.
func (q *quiet) busy(s *Supervisor) {
	q.last = now()
	if q.calm {
		q.calm = false
		go debug.SetGCPercent(gcPercent)
	}
	if !q.armed {
		q.arm(s, q.last)
	}
}

func (q *quiet) arm(s *Supervisor, from time.Time) {
	q.armed = true
	s.due.add(from.Add(quietAfter), nil, func() {
		if now().Sub(q.last) < quietAfter {
			q.arm(s, q.last)
			return
		}
		q.armed, q.calm = false, true
		go func() {
			debug.SetGCPercent(-1)
			debug.FreeOSMemory()
		}()
	})
}
