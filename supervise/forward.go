package supervise

import (
	"context"
	"fmt"
	"os"
	"time"

	"gsv/supervise/definition"
	"gsv/supervise/forward"
	"gsv/supervise/logs"
)

// A forwarding is where the lines of a service go beside its log. The zero value
// is nowhere.
type forwarding struct {
	syslog   string
	journal  bool
	separate bool // its standard error has a pipe of its own
}

func forwardingOf(l definition.Log) forwarding {
	if l.Syslog == "" && !l.Journal {
		return forwarding{}
	}
	return forwarding{l.Syslog, l.Journal, l.Separate}
}

// forward has the lines that a service writes from now on sent to where they are
// to go; what waits on its way elsewhere is still sent there.
func (s *Supervisor) forward(svc *service, to forwarding) {
	if to == svc.forwarding || svc.name == s.opts.Direct { // whose output gsv does not see
		return
	}
	old := svc.forwarder
	svc.forwarding, svc.forwarder = to, nil
	var show func(logs.Key, []byte)
	if to != (forwarding{}) {
		host, _ := os.Hostname()
		f, err := forward.New(forward.Options{Service: svc.name, Syslog: to.syslog, Journal: to.journal, Host: host,
			Problem: func(p forward.Problem) { s.forwardProblem(svc.name, p) }})
		if err != nil {
			s.say(svc.name + ": " + err.Error())
		} else {
			svc.forwarder = f
			show = func(key logs.Key, line []byte) {
				stream := forward.Both
				switch {
				case key.Err:
					stream = forward.Stderr
				case to.separate:
					stream = forward.Stdout
				}
				f.Offer(key.Gen, stream, time.Now(), line)
			}
		}
	}
	if old == nil && show == nil {
		return
	}
	settled := s.pump.Watch(svc.name, show)
	if old != nil {
		s.closing.Go(func() { settled(); old.Close() })
	}
}

// lastLines has what services wrote written, and sent on, at the end of gsv, for no
// longer than disks and receivers need that are there.
func (s *Supervisor) lastLines() {
	ctx, cancel := context.WithTimeout(context.Background(), syncTime)
	defer cancel()
	for _, svc := range s.services {
		for gen := range svc.runs {
			s.sync(ctx, logs.Key{Name: svc.name, Gen: gen})
		}
	}
	for _, svc := range s.services {
		s.forward(svc, forwarding{})
	}
	sent := make(chan struct{})
	go func() { s.closing.Wait(); close(sent) }()
	select {
	case <-sent:
	case <-time.After(2 * time.Second):
	}
}

// forwardProblem is told when lines of a service cannot be forwarded, and when they can again.
func (s *Supervisor) forwardProblem(name string, p forward.Problem) {
	text := describeForward(p)
	s.say(name + ": " + text)
	s.report(func() { s.event(eventOf(name, "log", text)) })
}

func describeForward(p forward.Problem) string {
	dropped := fmt.Sprintf("%d lines were dropped", p.Dropped)
	switch p.Dropped {
	case 0:
		dropped = "none was dropped"
	case 1:
		dropped = "one line was dropped"
	}
	switch {
	case p.Err == nil:
		return fmt.Sprintf("lines are forwarded to %s again; %s", p.To, dropped)
	case p.Dropped > 0:
		return fmt.Sprintf("%s on the way to %s: %v", dropped, p.To, p.Err)
	case p.Dropping:
		return fmt.Sprintf("lines for %s are dropped, for too many wait: %v", p.To, p.Err)
	}
	return fmt.Sprintf("lines for %s wait: %v", p.To, p.Err)
}
