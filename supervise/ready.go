package supervise

import (
	"context"
	"net"
	"time"

	"gsv/supervise/lifecycle"
)

// watchReady asks a run whether it is ready, as its [ready] says, until it is
// or has ended. Nothing tells when a port begins to accept, so it is tried.
//
// One that was started just now cannot answer yet: if something does, that is
// another program at its address, and an answer alone proves nothing. It must
// live for min-uptime as well then.
func (s *Supervisor) watchReady(svc *service, gen int, fresh bool) {
	r, ready := svc.runs[gen], svc.def.Ready
	if r.probe != nil { // by the definition of before
		r.probe()
		r.probe = nil
	}
	network, address := "tcp", ready.TCP
	if ready.Unix != "" {
		network, address = "unix", ready.Unix
	}
	if address == "" {
		return
	}
	lives := svc.def.MinUptime
	ctx, cancel := context.WithCancel(context.Background())
	r.probe = cancel
	go func() {
		defer cancel()
		timer := time.NewTimer(0)
		defer timer.Stop()
		for interval := 5 * time.Millisecond; ; interval = min(2*interval, ready.Interval) {
			select {
			case <-timer.C:
			case <-ctx.Done():
				return
			case <-s.done:
				return
			}
			if accepts(ctx, network, address, ready.Timeout) {
				if fresh {
					fresh = false
					timer.Reset(lives)
					continue
				}
				s.report(func() {
					r.accepts = true
					s.readyIfSo(svc, gen)
				})
				return
			}
			fresh = false
			timer.Reset(interval)
		}
	}()
}

// readyIfSo says that a run is ready whose address accepts connections: of a
// server with workers the kernel does that too while they die of their code, so
// one of them must have loaded it.
func (s *Supervisor) readyIfSo(svc *service, gen int) {
	r := svc.runs[gen]
	if r == nil || !r.accepts || svc.def.Workers.Depth > 0 && (svc.crew == nil || svc.crew.gen != gen || !svc.crew.loaded) {
		return
	}
	s.step(svc, lifecycle.Ready{Gen: gen})
}

// watchAgain does what watchReady does, for the run that is starting, if there
// is one: it was started by another supervisor, or by another definition.
func (s *Supervisor) watchAgain(svc *service) {
	live := svc.state.Live()
	if live == nil || live.Phase != lifecycle.Starting {
		return
	}
	if r := svc.runs[live.Gen]; r != nil && r.launched {
		s.watchReady(svc, live.Gen, false)
	}
}

// accepts reports whether a connection to address is accepted within the timeout.
func accepts(ctx context.Context, network, address string, timeout time.Duration) bool {
	d := net.Dialer{Timeout: timeout}
	c, err := d.DialContext(ctx, network, address)
	if err != nil {
		return false
	}
	c.Close()
	return true
}
