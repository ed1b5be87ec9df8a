package supervise

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"time"

	"gsv/supervise/logs"
	"gsv/supervise/status"
)

// syncTime bounds how long a failure report waits for the last words of an
// attempt: a log directory may hang.
const syncTime = 2 * time.Second

// attemptLog reads the last n lines that run gen wrote, and has done called
// with them by the loop.
func (s *Supervisor) attemptLog(svc *service, gen, n int, done func([]string)) {
	file, ok := svc.out.(*logs.File)
	if !ok {
		done(nil)
		return
	}
	key := logs.Key{Name: svc.name, Gen: gen}
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), syncTime)
		defer cancel()
		s.pump.Sync(ctx, key)
		lines := attempt(file, gen, n)
		s.report(func() { done(lines) })
	}()
}

func attempt(file *logs.File, gen, n int) []string {
	text, err := file.Attempt(gen, -1)
	if err != nil {
		return []string{"(its log cannot be read: " + err.Error() + ")"}
	}
	lines := splitLines(text)
	if n == attemptLines {
		return lines[max(0, len(lines)-n):] // the cause comes last
	}
	if len(lines) > n {
		lines = append(lines[:n:n], "(and more: see its log)")
	}
	return lines
}

// stream makes what a oneshot writes part of its operation while it runs.
func (s *Supervisor) stream(svc *service, op *operation) {
	file, ok := svc.out.(*logs.File)
	live := svc.state.Live()
	if !ok || live == nil || op.Done() {
		return
	}
	gen := live.Gen
	ctx, cancel := context.WithCancel(context.Background())
	op.unwatch = cancel
	go func() {
		grown, stop := file.Grown()
		defer stop()
		for {
			select {
			case <-grown:
			case <-ctx.Done():
				return
			case <-s.done:
				return
			}
			lines := attempt(file, gen, oneshotLines)
			s.report(func() {
				if ctx.Err() == nil {
					op.Log = lines
					op.tell()
				}
			})
		}
	}()
}

func splitLines(text []byte) []string {
	text = bytes.TrimSuffix(text, []byte("\n"))
	if len(text) == 0 {
		return nil
	}
	return strings.Split(string(text), "\n")
}

// Logs calls write with the last lines of a service's log and, with follow,
// with what is added until ctx is done or write fails.
func (s *Supervisor) Logs(ctx context.Context, name string, lines int, follow bool, write func([]byte) error) error {
	var file *logs.File
	var err error
	var runs []logs.Key
	if e := s.call(ctx, func() {
		svc := s.services[name]
		if svc == nil {
			err = problem(404, 4, name, "no such service")
			return
		}
		var ok bool
		if file, ok = svc.out.(*logs.File); !ok {
			err = problem(409, 1, name, "its output goes to gsv's stdout and is not kept")
			return
		}
		for gen := range svc.runs {
			runs = append(runs, logs.Key{Name: name, Gen: gen})
		}
	}); e != nil {
		return e
	}
	if err != nil {
		return err
	}
	for _, key := range runs {
		sync, cancel := context.WithTimeout(ctx, syncTime)
		s.pump.Sync(sync, key)
		cancel()
	}
	err = file.Read(ctx, lines, follow, write)
	var p *status.Problem
	if err != nil && ctx.Err() == nil && !errors.As(err, &p) {
		return problem(500, 1, name, err.Error())
	}
	return err
}
