package supervise

import (
	"cmp"
	"fmt"

	"gsv/supervise/logs"
)

// A trouble is what is wrong with a log now, or with gsv's stdout.
type trouble struct {
	drops string // output is being dropped, and why
	waits string // who writes there waits, and why
}

func (t *trouble) String() string { return cmp.Or(t.drops, t.waits) }

// take takes in what the pump has told, and returns it in words.
func (t *trouble) take(p logs.Problem) string {
	switch {
	case p.Note != nil:
		return p.Note.Error()
	case p.Waits && p.Err != nil:
		t.waits = p.Err.Error()
		return t.waits
	case p.Waits:
		t.waits = ""
		return "output does not wait any more; none is lost"
	case p.Err != nil:
		t.drops = "output is dropped: " + p.Err.Error()
		return t.drops
	}
	t.drops = ""
	return fmt.Sprintf("output is written again; %d bytes were dropped", p.Dropped)
}

// logProblem is told by the pump what is wrong with the output of a service, or
// with stdout, and when that is over.
func (s *Supervisor) logProblem(p logs.Problem) {
	s.report(func() {
		who, t := p.Name, &trouble{} // of one that is forgotten, or of no service
		if svc := s.services[p.Name]; svc != nil {
			t = &svc.trouble
		}
		if p.Name == "" {
			who, t = "stdout", &s.trouble
		}
		text := t.take(p)
		s.event(eventOf(p.Name, "log", text))
		s.say(who + ": " + text)
	})
}

// troubleOf is what is wrong with the log of a service now; "" if nothing is.
func (s *Supervisor) troubleOf(svc *service) string {
	if svc.name == s.opts.Direct {
		return ""
	}
	if _, is := svc.out.(*logs.Printer); is {
		return s.trouble.String()
	}
	return svc.trouble.String()
}
