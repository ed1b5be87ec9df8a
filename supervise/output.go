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

// attemptLog reads what run gen wrote, and has done called with it by the loop.
func (s *Supervisor) attemptLog(svc *service, gen int, done func([]string)) {
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
		text, err := file.Attempt(gen, attemptLines)
		if err != nil {
			text = []byte("(its log cannot be read: " + err.Error() + ")")
		}
		lines := splitLines(text)
		s.report(func() { done(lines) })
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
