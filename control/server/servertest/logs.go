package servertest

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"gsv/supervise/status"
)

// LogStart is when every service wrote its first line.
var LogStart = time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)

// Logs is server.Journal's.
func (f *Fake) Logs(ctx context.Context, q status.LogQuery, write func(at string, p []byte) error) error {
	var text string
	f.look(func() { text = f.Log[q.Services[0]] })
	at := 0
	if from := q.From[q.Services[0]]; from != "" {
		at = offset(from)
	} else if lines := slices.Collect(strings.Lines(text)); q.Lines >= 0 && q.Lines < len(lines) {
		at = len(strings.Join(lines[:len(lines)-q.Lines], ""))
	}
	if err := write(strconv.Itoa(at), nil); err != nil {
		return err
	}
	for {
		next := f.look(func() { text = f.Log[q.Services[0]] })
		for line := range strings.Lines(text[min(at, len(text)):]) {
			if err := write(strconv.Itoa(at), []byte(line)); err != nil {
				return err
			}
			at += len(line)
		}
		if !q.Follow {
			return nil
		}
		select {
		case <-next:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// LogLines is server.Journal's.
func (f *Fake) LogLines(ctx context.Context, q status.LogQuery, each func(*status.LogLine) error) error {
	told := make(map[string]int)
	for name, from := range q.From {
		told[name] = offset(from)
	}
	for first := true; ; first = false {
		var lines []status.LogLine
		next := f.look(func() { lines = f.lines(&q, told, first) })
		for i := range lines {
			if err := each(&lines[i]); err != nil {
				return err
			}
		}
		if !q.Follow {
			return nil
		}
		if q.Operation != nil {
			if op, _ := f.Operation(q.Operation.ID); op.Done() {
				q.Operation, q.Follow = &op, false
				continue
			}
		}
		for _, name := range q.Services {
			if first {
				if err := each(&status.LogLine{Service: name, Stream: status.Stdout, Mark: true, Cursor: strconv.Itoa(told[name])}); err != nil {
					return err
				}
			}
		}
		if err := each(nil); err != nil {
			return err
		}
		select {
		case <-next:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// lines is what comes next of all services, by time.
func (f *Fake) lines(q *status.LogQuery, told map[string]int, first bool) (all []status.LogLine) {
	for _, name := range q.Services {
		var some []status.LogLine
		at, n := 0, 0
		for line := range strings.Lines(f.Log[name]) {
			if q.Follow && !strings.HasSuffix(line, "\n") {
				break // its end is to come
			}
			l := status.LogLine{Time: LogStart.Add(time.Duration(n) * time.Second), Service: name, Run: 1, Stream: status.Stdout}
			l.SetText([]byte(strings.TrimSuffix(line, "\n")))
			at, n = at+len(line), n+1
			l.Cursor = strconv.Itoa(at)
			op := q.Operation
			if at <= told[name] || l.Time.Before(q.Since) || q.Match != nil && !q.Match([]byte(l.Line)) || op != nil && (l.Time.Before(op.Started) || op.Done() && l.Time.After(op.Ended)) {
				continue
			}
			some = append(some, l)
		}
		if first && q.Lines >= 0 && q.From[name] == "" {
			some = some[max(0, len(some)-q.Lines):]
		}
		all, told[name] = append(all, some...), at
	}
	slices.SortStableFunc(all, func(a, b status.LogLine) int { return a.Time.Compare(b.Time) })
	return all
}

// offset is a cursor, which may be "N+M".
func offset(cursor string) int {
	var n, m int
	if _, err := fmt.Sscanf(cursor, "%d+%d", &n, &m); err != nil {
		_, _ = fmt.Sscanf(cursor, "%d", &n)
	}
	return n + m
}
