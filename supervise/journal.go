package supervise

import (
	"context"
	"sort"
	"time"

	"gsv/supervise/status"
)

// remembered is how many events are kept.
const remembered = 1000

// A journal is the last events, and who waits for the next one.
type journal struct {
	ring    []status.Event  // the oldest at count % remembered once it is full
	count   uint64          // events that ever were in the ring
	last    uint64          // Seq of the newest: the time of day at first, so that it never goes back
	file    *eventFile      // nil: they are kept in memory alone
	changed chan struct{}   // closed at the next event; nil: nobody waits
	held    *[]status.Event // not nil: events are kept back
}

func eventOf(service, kind, text string) status.Event {
	return status.Event{Service: service, Kind: kind, Text: text}
}

// event remembers an event. It is of now, unless it says otherwise.
func (s *Supervisor) event(ev status.Event) {
	if ev.At.IsZero() {
		ev.At = time.Now().Round(time.Millisecond)
	}
	s.journal.add(ev)
}

func (j *journal) add(ev status.Event) {
	if j.held != nil {
		*j.held = append(*j.held, ev)
		return
	}
	j.last++
	ev.Seq = j.last
	if j.file != nil {
		j.file.put(ev)
	}
	j.keep(ev)
	if j.changed != nil {
		close(j.changed)
		j.changed = nil
	}
}

// keep puts an event into the ring. What an operation has logged is on disk,
// and with the operation as long as that is remembered.
func (j *journal) keep(ev status.Event) {
	if ev.Op != nil && ev.Op.Log != nil {
		op := *ev.Op
		op.Log = nil
		ev.Op = &op
	}
	if len(j.ring) < remembered {
		j.ring = append(j.ring, ev)
	} else {
		j.ring[j.count%remembered] = ev
	}
	j.count++
}

// at is the event number i of the ring, 0 the oldest.
func (j *journal) at(i int) *status.Event {
	return &j.ring[(j.count-uint64(len(j.ring))+uint64(i))%remembered]
}

// seqApart is more than the events that a supervisor may have told and not
// written before it was killed.
const seqApart = 1 << 16

// fill begins with the events of before, oldest first.
func (j *journal) fill(events []status.Event) {
	for _, ev := range events {
		j.keep(ev)
		j.last = max(j.last, ev.Seq+seqApart)
	}
}

// hold keeps events back until what it returns is called, with what is to be
// told before them.
func (j *journal) hold() (told func(before func())) {
	outer := j.held
	held := &[]status.Event{}
	j.held = held
	return func(before func()) {
		j.held = outer
		before()
		for _, ev := range *held {
			j.add(ev)
		}
	}
}

// after is the events that came after seq, oldest first.
func (j *journal) after(seq uint64) []status.Event {
	n := sort.Search(len(j.ring), func(i int) bool { return j.at(i).Seq > seq })
	var events []status.Event
	for ; n < len(j.ring); n++ {
		events = append(events, *j.at(n))
	}
	return events
}

func (j *journal) wait() <-chan struct{} {
	if j.changed == nil {
		j.changed = make(chan struct{})
	}
	return j.changed
}

// Events calls each for every event that is remembered, oldest first, and with
// follow for the new ones until ctx is done. A slow each misses events once it
// is a thousand behind; their Seq tells.
func (s *Supervisor) Events(ctx context.Context, follow bool, each func(status.Event) error) error {
	var seq uint64
	for {
		var events []status.Event
		var changed <-chan struct{}
		if err := s.call(ctx, func() {
			if events = s.journal.after(seq); len(events) == 0 && follow {
				changed = s.journal.wait()
			}
		}); err != nil {
			return err
		}
		for _, ev := range events {
			if err := each(ev); err != nil {
				return err
			}
			seq = ev.Seq
		}
		if !follow {
			return nil
		}
		if changed == nil {
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-s.done:
			return errEnded
		}
	}
}
