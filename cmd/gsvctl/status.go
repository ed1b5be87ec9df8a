package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"gsv/control"
	"gsv/supervise/status"
)

// listing is the answer to GET /v1/services.
type listing struct {
	Services []status.Service `json:"services"`
}

// status shows services.
func (c *cli) status(cmd *command) int {
	switch {
	case len(cmd.words) == 0:
		return c.statusAll(cmd)
	case len(cmd.words) == 1 && control.Plain(cmd.words[0]):
		return c.statusOne(cmd, cmd.words[0])
	}
	var all listing
	if err := c.client.Get("/v1/services", &all); err != nil {
		return c.fail(cmd, err)
	}
	names, unknown := control.Expand(cmd.words, false, all.Services)
	var codes []int
	shown := []status.Service{}
	for _, s := range all.Services {
		if len(names) > 0 && s.Name == names[0] {
			names = names[1:]
			shown = append(shown, s)
			codes = append(codes, control.StatusExit(&s))
		}
	}
	switch {
	case cmd.has("json"):
		c.json(listing{shown})
	case !cmd.has("quiet"):
		c.out.Write(control.AppendTable(nil, shown, c.now(), c.colour))
	}
	for _, word := range unknown {
		codes = append(codes, c.fail(cmd, &status.Problem{Service: word, Detail: "no such service", ExitCode: control.NoService}))
	}
	return control.Worst(codes...)
}

// statusAll shows every service, and exits with 0 whatever they do. What is only passed on is not decoded: with a thousand services that
// would take longer than all the rest.
func (c *cli) statusAll(cmd *command) int {
	accept := "text/plain"
	if cmd.has("json") {
		accept = "application/json"
	}
	if c.colour && !cmd.has("json") {
		var all listing
		if err := c.client.Get("/v1/services", &all); err != nil {
			return c.fail(cmd, err)
		}
		if !cmd.has("quiet") {
			c.out.Write(control.AppendTable(nil, all.Services, c.now(), true))
		}
		return control.Done
	}
	var src []byte
	err := c.client.Stream("GET", "/v1/services", accept, nil, func(r io.Reader) error {
		var err error
		src, err = io.ReadAll(r)
		return err
	})
	if err != nil {
		return c.fail(cmd, err)
	}
	if !cmd.has("quiet") {
		c.out.Write(src)
	}
	return control.Done
}

// statusOne shows all there is to know of a service.
func (c *cli) statusOne(cmd *command, name string) int {
	path := "/v1/services/" + control.Escape(name)
	var raw json.RawMessage
	if err := c.client.Get(path, &raw); err != nil {
		return c.fail(cmd, err)
	}
	var s status.Service
	if err := json.Unmarshal(raw, &s); err != nil {
		return c.fail(cmd, fmt.Errorf("cannot understand gsv's answer: %w", err))
	}
	switch {
	case cmd.has("json"):
		fmt.Fprintf(c.out, "{\"services\":[%s]}\n", bytes.TrimSpace(raw))
	case !cmd.has("quiet"):
		w := bufio.NewWriter(c.out)
		w.Write(control.AppendTable(nil, []status.Service{s}, c.now(), c.colour))
		c.details(w, &s)
		c.lastLines(w, path)
		w.Flush()
	}
	return control.StatusExit(&s)
}

// details shows what the one line does not.
func (c *cli) details(w io.Writer, s *status.Service) {
	now := c.now()
	row := func(name, format string, args ...any) {
		fmt.Fprintf(w, "  %-13s %s\n", name, c.line(fmt.Sprintf(format, args...)))
	}
	if s.Description != "" {
		row("description", "%s", s.Description)
	}
	c.fileProblem(w, s)
	row("want", "%s", s.Want)
	ready := "no"
	if s.Ready {
		ready = "yes"
	}
	row("ready", "%s", ready)
	row("since", "%s", s.Since.Format(time.RFC3339))
	row("generation", "%d", s.Generation)
	c.generations(row, s)
	if text := statusText(s); text != "" {
		row("status", "%s", text)
	}
	switch {
	case s.Preset == "" || s.Preset == "none":
	case s.Detected:
		row("preset", "%s (detected)", s.Preset)
	default:
		row("preset", "%s", s.Preset)
	}
	if len(s.Groups) > 0 {
		row("groups", "%s", strings.Join(s.Groups, " "))
	}
	if len(s.Listen) > 0 {
		row("listen", "%s", strings.Join(s.Listen, " "))
	}
	c.sockets(w, s)
	if s.Release != "" {
		row("release", "%s", s.Release)
	}
	switch {
	case s.Stale:
		row("STALE", "%s", cmp.Or(s.StaleReason, "runs the code of an older release"))
	case s.StaleReason != "":
		row("stale", "not known: %s", s.StaleReason)
	}
	if r := s.LastReload; r != nil {
		text := fmt.Sprintf("%s %s ago in %s", r.Result, control.Age(now.Sub(r.At)), control.Seconds(r.Seconds))
		if r.By != "" {
			text += " by " + r.By + because(r.Reason)
		}
		text += ", operation " + r.Operation
		if r.Error != "" {
			text += ": " + r.Error
		}
		row("last reload", "%s", text)
	}
	if s.LastExit != nil {
		row("last exit", "%s, %s ago", control.ExitText(s.LastExit), control.Age(now.Sub(s.LastExit.At)))
	}
	if s.NextStart != nil {
		row("next start", "%s", control.Until(*s.NextStart, now))
	}
	if s.LogProblem != "" {
		row("log problem", "%s", s.LogProblem)
	}
	if s.Watch != nil {
		row("watch", "%s", control.WatchText(s.Watch, now))
		if len(s.Watch.Paths) > 0 {
			row("watched", "%s", strings.Join(s.Watch.Paths, " "))
		}
		if s.Watch.Stamp != "" {
			row("stamp", "%s", s.Watch.Stamp)
		}
	}
	if len(s.Workers) > 0 || s.Scale != 0 {
		row("workers", "%s", workers(s))
	}
	var rows [][]string
	for _, worker := range s.Workers {
		memory := worker.PSS
		if memory == 0 {
			memory = worker.RSS
		}
		rows = append(rows, []string{"               ", fmt.Sprint(worker.Pid), age(worker.Started, now), size(memory), fmt.Sprintf("generation %d", worker.Generation)})
	}
	columns(w, rows)
}

// statusText is what the service says of itself, made harmless wherever it is shown: any of its processes may have written it, and what a
// pipe carries is shown on a terminal too.
func statusText(s *status.Service) string { return strings.TrimSpace(control.Harmless(s.StatusText)) }

// fileProblem shows what is wrong with the service file.
func (c *cli) fileProblem(w io.Writer, s *status.Service) {
	for line := range strings.Lines(strings.TrimSpace(s.FileProblem)) {
		fmt.Fprintf(w, "  %s\n", c.safe(strings.TrimRight(line, "\n")))
	}
}

// lastLines shows the end of the service's log, to who may read it.
func (c *cli) lastLines(w io.Writer, path string) {
	var src []byte
	err := c.client.Stream("GET", path+"/logs?lines=5", "text/plain", nil, func(r io.Reader) error {
		var err error
		src, err = io.ReadAll(r)
		return err
	})
	if err != nil || len(src) == 0 {
		return // the status is what was asked for
	}
	fmt.Fprintln(w, "  log")
	for line := range strings.Lines(string(src)) {
		fmt.Fprintf(w, "  | %s", c.safe(line))
	}
	if !bytes.HasSuffix(src, []byte("\n")) {
		fmt.Fprintln(w)
	}
}
