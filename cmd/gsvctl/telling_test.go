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

func (f telling) Logs(ctx context.Context, q status.LogQuery, write func(string, []byte) error) error {
	return f.Fake.Logs(ctx, q, func(at string, p []byte) error {
		err := write(at, p)
		f.tell()
		return err
	})
}

func (f telling) LogLines(ctx context.Context, q status.LogQuery, each func(*status.LogLine) error) error {
	return f.Fake.LogLines(ctx, q, func(l *status.LogLine) error {
		err := each(l)
		if l == nil {
			f.tell()
		}
		return err
	})
}

func (f telling) tell() {
	select {
	case f.asked <- true:
	default:
	}
}
