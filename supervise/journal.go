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
	ring    []status.Event // the oldest at seq % remembered once it is full
	seq     uint64         // of the last event
	changed chan struct{}  // closed at the next event; nil: nobody waits
}

func eventOf(service, kind, text string) status.Event {
	return status.Event{Service: service, Kind: kind, Text: text}
}

// event remembers an event.
func (s *Supervisor) event(ev status.Event) {
	j := &s.journal
	j.seq++
	ev.Seq, ev.At = j.seq, time.Now().Round(time.Millisecond)
	if len(j.ring) < remembered {
		j.ring = append(j.ring, ev)
	} else {
		j.ring[(j.seq-1)%remembered] = ev
	}
	if j.changed != nil {
		close(j.changed)
		j.changed = nil
	}
}

// after is the events that came after seq, oldest first.
func (j *journal) after(seq uint64) []status.Event {
	first := j.seq - uint64(len(j.ring)) + 1
	var events []status.Event
	for n := max(seq+1, first); n <= j.seq; n++ {
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
