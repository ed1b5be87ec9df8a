package supervise

import (
	"container/heap"
	"slices"
	"time"

	"gsv/supervise/procfs"
)

// now is the time on the clock that all deadlines use: CLOCK_BOOTTIME, counted
// from 1970 so that zero stays "none". Nobody can set it, it goes on while the
// machine sleeps, and it means the same to the next supervisor
// (clock_gettime(2)).
func now() time.Time { return time.Unix(0, int64(procfs.Boottime())).UTC() }

// wall turns a time on that clock into the time of day.
func wall(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return time.Now().Add(t.Sub(now())).Round(time.Millisecond)
}

// ticksPerSecond is USER_HZ, in which /proc counts; it is 100 on every Linux
// that Go runs on (proc(5), getconf CLK_TCK).
const ticksPerSecond = 100

// sinceTicks is a process's start time on the deadlines' clock.
func sinceTicks(ticks uint64) time.Time {
	if ticks == 0 {
		return now()
	}
	return time.Unix(0, int64(ticks)*int64(time.Second)/ticksPerSecond).UTC()
}

// deadlines are things to do at their times, the earliest first. A deadline of
// a service that has moved is left in place and recognised when it comes up, or
// when there are many: a service can move its own as often as it likes.
type deadlines struct {
	heap deadlineHeap
	many int // when they are looked through next
}

const deadlinesMany = 1 << 10

type deadline struct {
	at time.Time
	do func()
	ok func() bool // still meant; nil = always
}

func (d *deadlines) add(at time.Time, ok func() bool, do func()) {
	if len(d.heap) >= max(d.many, deadlinesMany) {
		d.heap = slices.DeleteFunc(d.heap, func(old deadline) bool { return old.ok != nil && !old.ok() })
		heap.Init(&d.heap)
		d.many = 2 * len(d.heap)
	}
	heap.Push(&d.heap, deadline{at, do, ok})
}

// next is the earliest deadline that is still meant; zero if there is none.
func (d *deadlines) next() time.Time {
	for len(d.heap) > 0 {
		if first := d.heap[0]; first.ok == nil || first.ok() {
			return first.at
		}
		heap.Pop(&d.heap)
	}
	return time.Time{}
}

// pop takes out what is due at t, but no more than n: others shall have their turn.
func (d *deadlines) pop(t time.Time, n int) []func() {
	var due []func()
	for range n {
		if next := d.next(); next.IsZero() || t.Before(next) {
			return due
		}
		due = append(due, heap.Pop(&d.heap).(deadline).do)
	}
	return due
}

type deadlineHeap []deadline

func (h deadlineHeap) Len() int           { return len(h) }
func (h deadlineHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h deadlineHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *deadlineHeap) Push(x any)        { *h = append(*h, x.(deadline)) }
func (h *deadlineHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = deadline{}
	*h = old[:len(old)-1]
	return last
}
