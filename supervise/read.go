package supervise

import (
	"bytes"
	"context"
	"errors"
	"strings"

	"gsv/supervise/logs"
	"gsv/supervise/status"
)

// A tailer is a sink that is no file, and keeps the last of what each service wrote.
type tailer interface {
	Tail(name string) []byte
}

// A readable is what can be read of services: logs, and the tails that are kept
// of others.
type readable struct {
	sources []logs.Source
	tails   map[string][]byte
}

// readable finds the logs that a query is about, with all that runs have written
// until now.
func (s *Supervisor) readable(ctx context.Context, q *status.LogQuery) (r readable, err error) {
	var runs []logs.Key
	r.tails = map[string][]byte{}
	if e := s.call(ctx, func() {
		for _, name := range q.Services {
			svc := s.services[name]
			if svc == nil {
				err = problem(404, 4, name, "no such service")
				return
			}
			kept, ok := svc.out.(tailer)
			switch file, isFile := svc.out.(*logs.File); {
			case isFile:
				r.sources = append(r.sources, logs.Source{Service: name, File: file, From: q.From[name]})
			case ok && !q.Follow:
				r.tails[name] = kept.Tail(name)
			default:
				err = problem(409, 1, name, "its output goes to gsv's stdout and is not kept")
				if !q.Some {
					return
				}
				continue
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
	sync, cancel := context.WithTimeout(ctx, syncTime)
	defer cancel()
	for _, key := range runs {
		s.pump.Sync(sync, key)
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
	return s.logLines(ctx, r, q, func(l *status.LogLine) error {
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
// until ctx is done or each fails; with nil whenever that is all for now.
func (s *Supervisor) LogLines(ctx context.Context, q status.LogQuery, each func(*status.LogLine) error) error {
	r, err := s.readable(ctx, &q)
	if err != nil {
		return err
	}
	return s.logLines(ctx, r, q, each)
}

func (s *Supervisor) logLines(ctx context.Context, r readable, q status.LogQuery, each func(*status.LogLine) error) error {
	for _, name := range q.Services {
		if err := tailLines(name, r.tails[name], &q, each); err != nil {
			return err
		}
	}
	in := logs.Query{Lines: q.Lines, Since: q.Since, Match: q.Match, Follow: q.Follow}
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

// tailLines are the lines of a tail: when they were written is not known.
func tailLines(name string, text []byte, q *status.LogQuery, each func(*status.LogLine) error) error {
	var found [][]byte
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSuffix(line, []byte("\n")); q.Match == nil || q.Match(line) {
			found = append(found, line)
		}
	}
	if q.Lines >= 0 {
		found = found[max(0, len(found)-q.Lines):]
	}
	for _, text := range found {
		line := status.LogLine{Service: name, Stream: status.Stdout}
		line.SetText(text)
		if err := each(&line); err != nil {
			return err
		}
	}
	return nil
}

// logProblem is what to say when a log cannot be read.
func logProblem(ctx context.Context, name string, err error) error {
	var p *status.Problem
	if err != nil && ctx.Err() == nil && !errors.As(err, &p) {
		return problem(500, 1, name, strings.TrimSpace(err.Error()))
	}
	return err
}
