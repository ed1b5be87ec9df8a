package supervise

import (
	"context"
	"time"

	"gsv/supervise/status"
)

// remembered is how many events are kept.
const remembered = 1000

// A journal is the last events, and who waits for the next one.
type journal struct {
	ring    []status.Event  // the oldest at count % remembered once it is full
	base    uint64          // Seq is this and count: the time of day at first, so that it never goes back
	count   uint64          // events so far
	changed chan struct{}   // closed at the next event; nil: nobody waits
	held    *[]status.Event // not nil: events are kept back
}

func eventOf(service, kind, text string) status.Event {
	return status.Event{Service: service, Kind: kind, Text: text}
}

// event remembers an event.
func (s *Supervisor) event(ev status.Event) {
	ev.At = time.Now().Round(time.Millisecond)
	s.journal.add(ev)
}

func (j *journal) add(ev status.Event) {
	if j.held != nil {
		*j.held = append(*j.held, ev)
		return
	}
	j.count++
	ev.Seq = j.base + j.count
	if len(j.ring) < remembered {
		j.ring = append(j.ring, ev)
	} else {
		j.ring[(j.count-1)%remembered] = ev
	}
	if j.changed != nil {
		close(j.changed)
		j.changed = nil
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
	first := j.count - uint64(len(j.ring)) + 1
	if seq > j.base {
		first = max(first, seq-j.base+1)
	}
	var events []status.Event
	for n := first; n <= j.count; n++ {
		events = append(events, j.ring[(n-1)%remembered])
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
