package supervise

import (
	"context"
	"errors"
	"strings"
	"unicode"

	"gsv/supervise/lifecycle"
	"gsv/supervise/probe"
)

func tryTCP(_ *Supervisor, _ *service, _ int, r *run) func(context.Context) error {
	ready := r.def.Ready
	return func(ctx context.Context) error { return probe.Connect(ctx, "tcp", ready.TCP, ready.Timeout) }
}

func tryUnix(_ *Supervisor, _ *service, _ int, r *run) func(context.Context) error {
	ready := r.def.Ready
	return func(ctx context.Context) error { return probe.Connect(ctx, "unix", ready.Unix, ready.Timeout) }
}

func tryHTTP(_ *Supervisor, _ *service, _ int, r *run) func(context.Context) error {
	ready := r.def.Ready
	q := probe.Request{Network: ready.HTTP.Network, Address: ready.HTTP.Address, Host: ready.HTTP.Host, Path: ready.HTTP.Path, Headers: ready.Headers}
	if ready.HTTP.Private() {
		q.Network, q.Address = "tcp", r.private
	}
	for _, status := range ready.Statuses {
		q.Statuses = append(q.Statuses, probe.Range(status))
	}
	if q.Address == "" {
		return func(context.Context) error { return errors.New("has no private socket to be asked at") }
	}
	return func(ctx context.Context) error { return q.Ask(ctx, ready.Timeout) }
}

// readyOp stands for what is run to ask whether a service is ready. No caller can
// choose it.
const readyOp lifecycle.OpID = ":ready"

// tryExec runs the command as helpers are run, with GSV_PRIVATE, the address of
// the run's private socket, in its environment.
func tryExec(s *Supervisor, svc *service, gen int, r *run) func(context.Context) error {
	d, private := r.def, r.private
	return func(ctx context.Context) error {
		result := make(chan string, 1)
		h := &helper{svc: svc, op: readyOp, what: "ready.exec", done: func(why string, lines []string) {
			result <- failedExec(why, lines)
		}}
		s.report(func() {
			if ctx.Err() != nil {
				return
			}
			s.help(h, d.Ready.Timeout, func() (birth, error) {
				b, err := s.prepare(d, gen)
				if err == nil {
					b.spec.Argv = d.Ready.Exec
					if private != "" {
						b.spec.Env = withVariables(b.spec.Env, []string{"GSV_PRIVATE=" + private})
					}
				}
				return b, err
			})
		})
		select {
		case why := <-result:
			if why != "" {
				return errors.New(why)
			}
			return nil
		case <-ctx.Done():
			s.report(func() { s.dropHelp(h) })
			return ctx.Err()
		case <-s.done:
			return errEnded
		}
	}
}

// failedExec says how a ready.exec has failed, and what it said last; "" if it has
// not failed.
func failedExec(why string, lines []string) string {
	if why == "" {
		return ""
	}
	if how, ok := strings.CutPrefix(why, "ready.exec "); ok {
		why = "failed ready.exec, which " + how
	} else {
		why = "could not be asked: " + why
	}
	for i := len(lines) - 1; i >= 0; i-- {
		if last := shownLine(lines[i]); last != "" {
			return why + " (" + last + ")"
		}
	}
	return why
}

// shownLine is a line that somebody wrote, as it can stand in a sentence.
func shownLine(line string) string {
	line = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(line[:min(len(line), complaintMax)], ""))
	return strings.TrimSpace(line)
}
