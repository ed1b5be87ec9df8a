package control

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"gsv/supervise/status"
)

// AppendTable appends gsvctl's table of services, a line each in columns that stay the same: name, state, pid, how long it has been so,
// restarts, and a note that may be of several words. What there is not is "-". colour is for terminals and has a head line too.
func AppendTable(b []byte, services []status.Service, now time.Time, colour bool) []byte {
	name := 4
	for i := range services {
		name = max(name, utf8.RuneCountInString(services[i].Name))
	}
	if colour {
		b = append(b, "\x1b[2m"...)
		b = appendCell(b, "NAME", name)
		b = append(b, "STATE      PID      FOR      RESTARTS  \x1b[0m\n"...)
	}
	for i := range services {
		s := &services[i]
		b = appendCell(b, s.Name, name)
		if colour {
			b = append(b, colours[s.State]...)
		}
		b = appendCell(b, string(s.State), 9)
		if colour {
			b = append(b, "\x1b[0m"...)
		}
		pid := "-"
		if s.Pid > 0 {
			pid = strconv.Itoa(s.Pid)
		}
		b = appendCell(b, pid, 7)
		since := "-"
		if !s.Since.IsZero() {
			since = Age(now.Sub(s.Since))
		}
		b = appendCell(b, since, 7)
		b = appendCell(b, strconv.Itoa(s.Restarts), 8)
		b = append(b, OneLine(Harmless(Note(s, now)))...)
		b = append(b, '\n')
	}
	return b
}

// colours of the states, as terminals know them.
var colours = map[status.State]string{
	status.Running: "\x1b[32m", status.Reloading: "\x1b[32m", status.Starting: "\x1b[33m", status.Stopping: "\x1b[33m",
	status.Waiting: "\x1b[33m", status.Backoff: "\x1b[31m", status.Fatal: "\x1b[31m", status.Invalid: "\x1b[31m",
}

// appendCell appends a column of that width, which ends with two blanks.
func appendCell(b []byte, text string, width int) []byte {
	b = append(b, text...)
	for n := utf8.RuneCountInString(text); n < width+2; n++ {
		b = append(b, ' ')
	}
	return b
}

// Note is what there is to say of a service besides its state, most urgent first; "-" if it is nothing.
func Note(s *status.Service, now time.Time) string {
	var parts []string
	if s.State.Alive() && s.State != status.Stopping && !s.Ready && s.State != status.Starting {
		parts = append(parts, "NOT READY")
	}
	if s.Reason != "" {
		parts = append(parts, s.Reason)
	} else if s.LastExit != nil && !s.State.Alive() {
		parts = append(parts, ExitText(s.LastExit))
	}
	if s.LogProblem != "" {
		parts = append(parts, s.LogProblem)
	}
	if text := watchNote(s.Watch, now); text != "" {
		parts = append(parts, text)
	}
	if s.NextStart != nil {
		parts = append(parts, "next start "+Until(*s.NextStart, now))
	}
	if text := generations(s, now); text != "" {
		parts = append(parts, text)
	}
	if r := s.LastReload; r != nil && r.Result == status.Failed && r.Generation == 0 {
		parts = append(parts, "last reload failed")
	}
	if s.Stale {
		parts = append(parts, "stale")
	}
	if s.Want == "once" && s.State.Alive() {
		parts = append(parts, "not started again when it ends (once)")
	}
	if s.Pending {
		parts = append(parts, "changes wait for a restart")
	}
	if s.Release != "" {
		parts = append(parts, "release "+s.Release)
	}
	if len(parts) == 0 {
		return "-"
	}
	return strings.Join(parts, ", ")
}

// generations tells of a service that has more than the one that serves, or whose last replacement failed: "serving 6, trying 7",
// "serving 7, 6 leaving", "serving 6, 7 failed 3 min ago". "" where there is nothing to tell.
func generations(s *status.Service, now time.Time) string {
	var parts []string
	number := "generation "
	if s.Serves() && s.Generation > 0 {
		number = ""
		parts = append(parts, "serving "+strconv.Itoa(s.Generation))
	}
	serving := len(parts)
	for i := range s.Generations {
		n := number + strconv.Itoa(s.Generations[i].Generation)
		if role := s.Generations[i].Role; role == status.Trying {
			parts = append(parts, role+" "+n)
		} else {
			parts = append(parts, n+" "+role)
		}
	}
	if r := s.LastReload; r != nil && r.Result == status.Failed && r.Generation != 0 {
		text := number + strconv.Itoa(r.Generation) + " failed"
		if !r.At.IsZero() {
			text += " " + Ago(now.Sub(r.At))
		}
		parts = append(parts, text)
	}
	if len(parts) == serving {
		return ""
	}
	return strings.Join(parts, ", ")
}

// ExitText is how a run ended, for people.
func ExitText(e *status.Exit) string {
	switch {
	case e.Unknown:
		return "ended, nobody knows how"
	case e.Error != "":
		return e.Error
	case e.Signal != "" && e.Core:
		return "killed by " + e.Signal + ", core dumped"
	case e.Signal != "":
		return "killed by " + e.Signal
	}
	return "exit " + strconv.Itoa(e.Code)
}

// StatusExit is the exit status of `status NAME`.
func StatusExit(s *status.Service) int {
	switch {
	case !s.Serves():
		return NotRunning
	case s.Stale || s.LastReload != nil && s.LastReload.Result == status.Failed:
		return Stale
	}
	return Done
}
