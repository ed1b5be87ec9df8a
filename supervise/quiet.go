package supervise

import (
	"runtime/debug"
	"time"
)

const (
	quietAfter  = time.Second // without anything to do
	burst       = 200         // things done since it was quiet that leave garbage worth a collection
	gcPercent   = 50          // while there is a burst
	bootPercent = 200         // until it has been quiet for the first time
	memoryLimit = 128 << 20   // at which garbage is collected in any case
)

// GatherGarbage is how a supervisor begins: most of what a start makes is
// needed, and the rest is given back when it is over.
func GatherGarbage() {
	debug.SetGCPercent(bootPercent)
	debug.SetMemoryLimit(memoryLimit)
}

// quiet gives memory back when nothing has happened for a while after a burst,
// and has the runtime collect no garbage otherwise: it would do so every two
// minutes, for nothing (runtime.forcegcperiod), and in the middle of the one
// request that somebody waits for. What is allocated outside the loop meanwhile
// is bounded by the memory limit.
type quiet struct {
	last time.Time // when there was something to do
	at   time.Time // when to look whether it is quiet; zero: it is, or there was no burst
	work int       // things done since it was quiet after a burst
	calm bool      // garbage is not collected
}

// busy notes that there is something to do.
func (q *quiet) busy() {
	q.last = now()
	if q.work++; q.calm && q.work == burst {
		q.calm = false
		go debug.SetGCPercent(gcPercent)
	}
	if !q.calm && q.at.IsZero() {
		q.at = q.last.Add(quietAfter)
	}
}

// tick looks whether it is quiet, if it is time to.
func (q *quiet) tick(t time.Time) {
	if q.at.IsZero() || t.Before(q.at) {
		return
	}
	if q.at = q.last.Add(quietAfter); t.Before(q.at) {
		return
	}
	q.at, q.work, q.calm = time.Time{}, 0, true
	go func() {
		debug.SetGCPercent(-1)
		debug.FreeOSMemory()
	}()
}
