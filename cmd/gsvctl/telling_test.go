package main

import (
	"context"

	"gsv/control/server/servertest"
	"gsv/supervise/status"
)

// telling is an imitated gsv that tells when somebody has begun to wait for something.
type telling struct {
	*servertest.Fake
	asked chan bool
}

func (f telling) Follow(ctx context.Context, id string, progress func(status.Operation) error) (status.Operation, error) {
	return f.Fake.Follow(ctx, id, func(op status.Operation) error {
		err := progress(op)
		f.tell()
		return err
	})
}

func (f telling) WaitFor(ctx context.Context, name, what string) (status.Service, error) {
	f.tell()
	return f.Fake.WaitFor(ctx, name, what)
}

func (f telling) Logs(ctx context.Context, name string, lines int, follow bool, write func([]byte) error) error {
	if lines == 0 {
		f.tell()
	}
	return f.Fake.Logs(ctx, name, lines, follow, func(p []byte) error {
		err := write(p)
		f.tell()
		return err
	})
}

func (f telling) tell() {
	select {
	case f.asked <- true:
	default:
	}
}
