package supervise

import (
	"bytes"
	"context"
	"strings"
	"time"

	"gsv/supervise/logs"
)

// syncTime bounds how long a failure report waits for the last words of an
// attempt: a log directory may hang.
const syncTime = 2 * time.Second

const (
	shownBytes = 128 << 10 // of log, at the most, in an operation
	andMore    = "(and more: see its log)"
)

// A kept is what is kept of a service's output: its log file, or the last of
// what went to gsv's stdout. Its methods may take long.
type kept interface {
	Attempt(gen, n int) ([]byte, error)
	Mark() int64 // for Since, of what is written from now on; -1: not known
	Since(mark int64, n int) ([]byte, error)
	Grown() (grown <-chan struct{}, stop func())
}

// apart is what is kept of output and error output that have a log each.
type apart struct{ out, err kept }

func (a apart) Attempt(gen, n int) ([]byte, error) {
	return a.both(func(k kept) ([]byte, error) { return k.Attempt(gen, n) })
}

func (a apart) Since(mark int64, n int) ([]byte, error) {
	return a.both(func(k kept) ([]byte, error) { return k.Since(mark, n) })
}

// both is what either has to say, error output last: a failure ends with that.
func (a apart) both(of func(kept) ([]byte, error)) ([]byte, error) {
	out, err := of(a.out)
	if err != nil {
		return nil, err
	}
	if len(out) > 0 && out[len(out)-1] != '\n' {
		out = append(out, '\n')
	}
	errs, err := of(a.err)
	return append(out, errs...), err
}

func (a apart) Mark() int64 { return min(a.out.Mark(), a.err.Mark()) }

func (a apart) Grown() (grown <-chan struct{}, stop func()) {
	either := make(chan struct{}, 1)
	out, stopOut := a.out.Grown()
	errs, stopErr := a.err.Grown()
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-out:
			case <-errs:
			case <-done:
				return
			}
			select {
			case either <- struct{}{}:
			default:
			}
		}
	}()
	return either, func() { close(done); stopOut(); stopErr() }
}

// kept is what is kept of the output of a service; nil: nothing is.
func (s *Supervisor) kept(svc *service) kept {
	if svc.name == s.opts.Direct {
		return nil // it has gsv's own stdout
	}
	out, _ := svc.out.(kept)
	if errs, is := svc.err.(*logs.File); is && out != nil {
		return apart{out, errs}
	}
	return out
}

// sync waits until what a run has written is in its log.
func (s *Supervisor) sync(ctx context.Context, key logs.Key) {
	for _, key.Err = range []bool{false, true} {
		s.pump.Sync(ctx, key)
	}
}

// attemptLines are the last n lines that a run wrote since mark, where that is
// not -1. It may take long.
func (s *Supervisor) attemptLines(out kept, key logs.Key, mark int64, n int) []string {
	ctx, cancel := context.WithTimeout(context.Background(), syncTime)
	defer cancel()
	s.sync(ctx, key)
	if mark < 0 {
		return attempt(out, key.Gen, n)
	}
	text, err := out.Since(mark, -1)
	if err != nil {
		return []string{"(its log cannot be read: " + err.Error() + ")"}
	}
	return excerpt(splitLines(text), n)
}

// attempt is what run gen wrote: of a oneshot the begin, for its output is what
// it was run for, of others what names the cause of a failure.
func attempt(out kept, gen, n int) []string {
	text, err := out.Attempt(gen, -1)
	if err != nil {
		return []string{"(its log cannot be read: " + err.Error() + ")"}
	}
	if n != attemptLines {
		return firstLines(splitLines(text), n)
	}
	return excerpt(splitLines(text), n)
}

// firstLines are the first n lines, or shownBytes, and a line that says that
// there are more.
func firstLines(lines []string, n int) []string {
	size := 0
	for i, line := range lines {
		if size += len(line) + 1; i == n || size > shownBytes {
			return append(cloneAll(lines[:i]), andMore)
		}
	}
	return lines
}

// cloneAll copies lines, so that the text that they are cut from can go.
func cloneAll(lines []string) []string {
	copies := make([]string, 0, len(lines)+1)
	for _, line := range lines {
		copies = append(copies, strings.Clone(line))
	}
	return copies
}

// full reports whether lines are all that is ever shown of an output.
func full(lines []string) bool { return len(lines) > 0 && lines[len(lines)-1] == andMore }

// stream makes what a oneshot writes part of its operation while it runs.
func (s *Supervisor) stream(svc *service, op *operation) {
	out, live := s.kept(svc), svc.state.Live()
	if out == nil || live == nil || op.Done() {
		return
	}
	gen := live.Gen
	ctx, cancel := context.WithCancel(context.Background())
	op.unwatch = cancel
	go func() {
		grown, stop := out.Grown()
		defer stop()
		for {
			select {
			case <-grown:
			case <-ctx.Done():
				return
			case <-s.done:
				return
			}
			lines := attempt(out, gen, oneshotLines)
			s.report(func() {
				if ctx.Err() == nil {
					op.Log = lines
					op.tell()
				}
			})
			if full(lines) {
				return
			}
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
