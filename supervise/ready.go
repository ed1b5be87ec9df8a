package supervise

import (
	"context"
	"net"
	"time"

	"gsv/supervise/lifecycle"
)

// watchReady asks a run whether it is ready, as its [ready] says, until it is
// or has ended. Nothing tells when a port begins to accept, so it is tried.
func (s *Supervisor) watchReady(svc *service, gen int) {
	ready := svc.def.Ready
	network, address := "tcp", ready.TCP
	if ready.Unix != "" {
		network, address = "unix", ready.Unix
	}
	if address == "" {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	svc.runs[gen].probe = cancel
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
				s.report(func() { s.step(svc, lifecycle.Ready{Gen: gen}) })
				return
			}
			timer.Reset(interval)
		}
	}()
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
