package supervise

import (
	"context"
	"net"
	"os"
	"time"

	"gsv/supervise/guardian"
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
	live := svc.watched()
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

// readyFiles adds to a start what run gen needs to say that it is ready: files
// that it inherits, their names in its environment, and our ends of them, which
// the guardian keeps for the supervisors to come (readyHeld).
func (s *Supervisor) readyFiles(svc *service, gen int, b *birth, files, keep []guardian.File) (_, _ []guardian.File, err error) {
	return files, keep, nil
}

// readyHeld takes up the files that readyFiles has had kept, of a run of an
// earlier supervisor's. They are the caller's to close.
func (s *Supervisor) readyHeld(svc *service, gen int, held []*os.File) {}

// unready is what a run's readiness check saw last; "" if there is nothing to say.
func (s *Supervisor) unready(svc *service, gen int) string { return "" }
