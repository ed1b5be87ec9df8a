package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"gsv/control"
	"gsv/supervise/status"
)

// A crew is the processes of a generation beside the one that serves.
type crew struct {
	role    string
	main    status.Worker
	workers []status.Worker
}

// crews parts the workers of the generation that serves from those of each of the others, in the order of Generations.
func crews(s *status.Service) (own []status.Worker, others []crew) {
	at := make(map[int]int, len(s.Generations))
	for i := range s.Generations {
		g := &s.Generations[i]
		at[g.Generation] = i
		main := status.Worker{Pid: g.Pid, Generation: g.Generation}
		if g.Role == status.Trying { // of one that is leaving it is when it was told to go
			main.Started = g.Since
		}
		others = append(others, crew{role: g.Role, main: main})
	}
	for _, w := range s.Workers {
		i, other := at[w.Generation]
		switch {
		case !other:
			own = append(own, w)
		case w.Pid == others[i].main.Pid:
			others[i].main = w
		default:
			others[i].workers = append(others[i].workers, w)
		}
	}
	return own, others
}

// generations is a row for each generation beside the one that serves.
func (c *cli) generations(row func(name, format string, args ...any), s *status.Service) {
	_, others := crews(s)
	for i := range s.Generations {
		g := &s.Generations[i]
		text := fmt.Sprintf("generation %d", g.Generation)
		if g.Pid > 0 { // else its main process has ended, and something it started is left
			text += fmt.Sprintf(", pid %d", g.Pid)
		}
		if n := len(others[i].workers); n > 0 {
			text += ", " + control.Several(n, "worker")
		}
		if since := sinceOf(g, c.now()); since != "" {
			text += ", " + since
		}
		if g.Reason != "" {
			text += ": " + g.Reason
		}
		row(g.Role, "%s", text)
	}
}

// sinceOf says when a generation was started, or told to go; "" if that is not known.
func sinceOf(g *status.Generation, now time.Time) string {
	switch {
	case g.Since.IsZero():
		return ""
	case g.Role == status.Trying:
		return "started " + control.Age(now.Sub(g.Since)) + " ago"
	case g.Role == status.Leaving:
		return "told to go " + control.Age(now.Sub(g.Since)) + " ago"
	}
	return "for " + control.Age(now.Sub(g.Since))
}

// generationText is the sentence about a generation beside the one that serves.
func generationText(g *status.Generation, now time.Time) string {
	text := fmt.Sprintf("Generation %d ", g.Generation)
	if g.Pid > 0 {
		text += fmt.Sprintf("(pid %d) ", g.Pid)
	}
	since := sinceOf(g, now)
	switch {
	case g.Role == status.Trying && since != "":
		text += "is being tried, " + since
	case g.Role == status.Trying:
		text += "is being tried"
	case g.Role == status.Leaving && since != "":
		text += "was " + since + " and is still there"
	case g.Role == status.Leaving:
		text += "was told to go and is still there"
	default:
		text += "is " + g.Role
	}
	if g.Reason != "" {
		text += ": " + g.Reason
	}
	return text
}

// sockets is a row for each socket that gsv holds for the service, or will hold.
func (c *cli) sockets(w io.Writer, s *status.Service) {
	var rows [][]string
	for i := range s.Sockets {
		k := &s.Sockets[i]
		cells := []string{fmt.Sprintf("  %-13s %s", "socket", c.line(k.Name+" "+k.Address))}
		if !k.Held {
			rows = append(rows, append(cells, "bound at the next start"))
			continue
		}
		queue := fmt.Sprintf("queue %d", k.Queue)
		switch {
		case strings.HasPrefix(k.Address, "udp:"):
			queue += " bytes"
		case k.Backlog > 0:
			queue += fmt.Sprintf("/%d", k.Backlog)
		}
		overflow := "overflow -"
		if k.Overflow >= 0 {
			overflow = fmt.Sprintf("overflow %d", k.Overflow)
		}
		rows = append(rows, append(cells, queue, overflow))
	}
	columns(w, rows)
}
