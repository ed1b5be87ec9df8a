package supervise

import (
	"runtime/debug"
	"time"
)

const (
	quietAfter  = time.Second // without anything to do
	gcPercent   = 50          // while there is
	bootPercent = 200         // until it has been quiet for the first time
	memoryLimit = 128 << 20   // at which garbage is collected in any case
)

// GatherGarbage is how a supervisor begins: most of what a start makes is
// needed, and the rest is given back when it is over.
func GatherGarbage() {
	debug.SetGCPercent(bootPercent)
	debug.SetMemoryLimit(memoryLimit)
}

// quiet gives memory back when nothing has happened for a while, and then has
// the runtime collect no garbage: it would do so every two minutes, for
// nothing (runtime.forcegcperiod). What is allocated outside the loop
// meanwhile is bounded by the memory limit.
type quiet struct {
	last  time.Time // when there was something to do
	at    time.Time // when to look whether it is quiet; zero: it is
	begun bool      // it has been quiet once
}

// busy notes that there is something to do.
func (q *quiet) busy() {
	q.last = now()
	if !q.at.IsZero() {
		return
	}
	q.at = q.last.Add(quietAfter)
	if q.begun {
		go debug.SetGCPercent(gcPercent)
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
	q.at, q.begun = time.Time{}, true
	go func() {
		debug.SetGCPercent(-1)
		debug.FreeOSMemory()
	}()
}
