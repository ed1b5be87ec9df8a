package supervise

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"

	"gsv/supervise/definition"
	"gsv/supervise/logs"
	"gsv/supervise/status"
)

// A readable is what can be read of services: logs, and the last of what others
// wrote to gsv's stdout.
type readable struct {
	sources []logs.Source
	tails   []tail
}

// A tail is the last of what a service wrote.
type tail struct {
	service string
	out     *logs.Printer
}

// readable finds the logs that a query is about, with all that runs have written
// until now.
func (s *Supervisor) readable(ctx context.Context, q *status.LogQuery) (r readable, err error) {
	var runs []logs.Key
	if e := s.call(ctx, func() {
		for _, name := range q.Services {
			svc := s.services[name]
			if svc == nil {
				err = problem(404, 4, name, "no such service")
				return
			}
			printer, prints := svc.out.(*logs.Printer)
			switch file, isFile := svc.out.(*logs.File); {
			case isFile:
				r.sources = append(r.sources, logs.Source{Service: name, File: file, From: q.From[name]})
				if errs, apart := svc.err.(*logs.File); apart {
					r.sources = append(r.sources, logs.Source{Service: name, File: errs, Err: true, From: q.From[name+".err"]})
				}
			case prints && svc.name != s.opts.Direct:
				r.tails = append(r.tails, tail{name, printer})
			default:
				err = problem(409, 1, name, "its output is not kept: it goes to gsv's stdout")
				if svc.def != nil && svc.def.Log.Output == definition.Discard {
					err = problem(409, 1, name, `its output is not kept: output = "none" in its [log]`)
				}
				if !q.Some {
					return
				}
				continue
			}
			if s.troubleOf(svc) != "" {
				continue // what waits cannot be waited for
			}
			for gen := range svc.runs {
				runs = append(runs, logs.Key{Name: name, Gen: gen})
			}
		}
	}); e != nil {
		return r, e
	}
	if err != nil && (!q.Some || len(r.sources)+len(r.tails) == 0) {
		return r, err
	}
	for name, from := range q.From {
		if _, err := logs.ParseCursor(from); err != nil {
			return r, problem(400, 2, name, err.Error())
		}
	}
	waiting, cancel := context.WithTimeout(ctx, syncTime)
	defer cancel()
	for _, key := range runs {
		s.sync(waiting, key)
	}
	return r, nil
}

// Logs calls write with what the one service of a query wrote, byte for byte, and
// with the cursor of where it stands; the first time with no bytes. Lines that do
// not match are not left out. With Follow it goes on with what is added until ctx
// is done or write fails.
func (s *Supervisor) Logs(ctx context.Context, q status.LogQuery, write func(at string, p []byte) error) error {
	r, err := s.readable(ctx, &q)
	if err != nil {
		return err
	}
	if len(r.sources) == 0 && len(r.tails) == 1 {
		t := r.tails[0]
		if err := write("", nil); err != nil {
			return err
		}
		return logProblem(ctx, t.service, t.out.Read(ctx, q.Lines, q.Follow, nil, func(b []byte) error { return write("", b) }))
	}
	if len(r.sources) != 1 {
		return s.logText(ctx, r, q, write)
	}
	src := r.sources[0]
	err = src.File.Raw(ctx, q.Lines, q.Follow, src.From, func(at logs.Cursor, b []byte) error { return write(at.String(), b) })
	return logProblem(ctx, src.Service, err)
}

// logText is Logs for what is not in one file: whole lines, and no cursors.
func (s *Supervisor) logText(ctx context.Context, r readable, q status.LogQuery, write func(at string, p []byte) error) error {
	if err := write("", nil); err != nil {
		return err
	}
	return s.logLines(ctx, r, q, nil, func(l *status.LogLine) error {
		if l == nil || l.Mark {
			return nil
		}
		text := l.Text()
		if !l.Part {
			text += "\n"
		}
		return write("", []byte(text))
	})
}

// LogLines calls each with the lines that a query asks for, those of several
// services merged by when they were written, and with Follow with what is added,
// until ctx is done, each fails, or the operation that it asks for has ended; with
// nil whenever that is all for now.
func (s *Supervisor) LogLines(ctx context.Context, q status.LogQuery, each func(*status.LogLine) error) error {
	r, err := s.readable(ctx, &q)
	if err != nil {
		return err
	}
	var over chan struct{}
	if q.Operation != nil && q.Follow {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		over = make(chan struct{})
		go s.closeOver(ctx, &q, over)
	}
	return s.logLines(ctx, r, q, over, each)
}

// closeOver closes over when the operation that a query asks for has ended, or is
// forgotten already, and all that runs have written by then can be read.
func (s *Supervisor) closeOver(ctx context.Context, q *status.LogQuery, over chan struct{}) {
	_, err := s.Follow(ctx, q.Operation.ID, func(status.Operation) error { return nil })
	if err == errEnded || ctx.Err() != nil {
		return // with it the query ends
	}
	_, _ = s.readable(ctx, q) // what cannot be read any more has been told
	close(over)
}

func (s *Supervisor) logLines(ctx context.Context, r readable, q status.LogQuery, over <-chan struct{}, each func(*status.LogLine) error) error {
	if len(r.tails) > 0 {
		if q.Follow && len(r.tails)+len(r.sources) == 1 {
			return r.tails[0].lines(ctx, &q, over, each)
		}
		if q.Follow {
			return s.followTails(ctx, r, q, each)
		}
		for _, t := range r.tails {
			if err := t.lines(ctx, &q, nil, each); err != nil {
				return err
			}
		}
	}
	in := logs.Query{Lines: q.Lines, Since: q.Since, Match: q.Match, Follow: q.Follow, Over: over}
	if op := q.Operation; op != nil {
		if in.Until = op.Ended; op.Started.After(in.Since) {
			in.Since = op.Started
		}
		if op.Result == status.Failed {
			in.Also = op.Tried
		}
	}
	var line status.LogLine
	err := logs.Read(ctx, r.sources, in, func(l *logs.Line) error {
		if l == nil {
			return each(nil)
		}
		line = status.LogLine{Time: l.Time, Service: l.Service, Run: l.Gen, Stream: status.Stdout, Part: l.Part, Mark: l.Mark, Cursor: l.Cursor().String()}
		if l.Err {
			line.Stream = status.Stderr
		}
		line.SetText(l.Text)
		return each(&line)
	})
	name := ""
	if len(q.Services) == 1 {
		name = q.Services[0]
	}
	return logProblem(ctx, name, err)
}

// followTails is logLines with Follow where some of the services have a tail only.
func (s *Supervisor) followTails(ctx context.Context, r readable, q status.LogQuery, each func(*status.LogLine) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var one sync.Mutex // each is called by one at a time
	said := func(l *status.LogLine) error {
		one.Lock()
		defer one.Unlock()
		return each(l)
	}
	var wg sync.WaitGroup
	for _, t := range r.tails {
		wg.Go(func() { cancel(t.lines(ctx, &q, nil, said)) })
	}
	if r.tails = nil; len(r.sources) > 0 {
		wg.Go(func() { cancel(s.logLines(ctx, r, q, nil, said)) })
	}
	wg.Wait()
	return context.Cause(ctx)
}

// lines calls each with the lines of a tail that a query asks for, and with nil
// when that is all for now. When they were written is not known.
func (t tail) lines(ctx context.Context, q *status.LogQuery, over <-chan struct{}, each func(*status.LogLine) error) error {
	most := q.Lines
	if q.Match != nil {
		most = -1
	}
	first := true
	return t.out.Read(ctx, most, q.Follow, over, func(b []byte) error {
		var found [][]byte
		for line := range bytes.Lines(b) {
			if line = bytes.TrimSuffix(line, []byte("\n")); q.Match == nil || q.Match(line) {
				found = append(found, line)
			}
		}
		if first && q.Lines >= 0 {
			found = found[max(0, len(found)-q.Lines):]
		}
		first = false
		for _, text := range found {
			line := status.LogLine{Service: t.service, Stream: status.Stdout}
			line.SetText(text)
			if err := each(&line); err != nil {
				return err
			}
		}
		return each(nil)
	})
}

// logProblem is what to say when a log cannot be read.
func logProblem(ctx context.Context, name string, err error) error {
	var p *status.Problem
	if err != nil && ctx.Err() == nil && !errors.As(err, &p) {
		return problem(500, 1, name, strings.TrimSpace(err.Error()))
	}
	return err
}
