package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"gsv/control"
	"gsv/supervise/status"
)

// apply has the service files read again.
func (c *cli) apply(cmd *command) int {
	c.mayWait()
	call := status.ApplyCall{ID: control.NewID(), Names: cmd.words, DryRun: cmd.has("dry-run"), Restart: cmd.has("restart"), Force: cmd.has("force")}
	var result status.ApplyResult
	err := c.client.Do("POST", "/v1/apply", &call, &result)
	var p *status.Problem
	if errors.As(err, &p) && p.Apply != nil {
		result = *p.Apply
	} else if err != nil {
		return c.fail(cmd, err)
	}
	code, why := control.ApplyExit(&result)
	if cmd.has("json") {
		c.json(&result)
		return code
	}
	for _, problem := range result.Problems {
		fmt.Fprintln(c.err, strings.TrimRight(problem, "\n"))
	}
	for _, warning := range result.Warnings {
		fmt.Fprintln(c.err, strings.TrimRight(warning, "\n"))
	}
	c.settings(cmd, result.Settings, result.DryRun)
	for _, step := range result.Steps {
		c.step(cmd, &step, result.DryRun)
	}
	switch {
	case code == control.Failed && result.Error != "":
		fmt.Fprintf(c.err, "gsvctl: nothing was applied: %s\n", why)
	case code == control.Done && len(result.Steps)+len(result.Settings) == 0 && !cmd.has("quiet"):
		fmt.Fprintln(c.out, "gsvctl: nothing to apply")
	}
	if result.Hint != "" {
		fmt.Fprintf(c.err, "hint: %s\n", result.Hint)
	}
	return code
}

// applied says what an apply did, and what it would do.
var applied = map[string][2]string{
	status.Add:     {"added", "would be added"},
	status.Remove:  {"removed", "would be stopped and removed"},
	status.Change:  {"changed", "would be changed while it runs"},
	status.Restart: {"restarted", "would be restarted"},
	status.Replace: {"reloaded, by a new generation", "would be reloaded, by a new generation"},
	status.Pend:    {"pending, its changes wait for a restart", "would be pending until a restart"},
	status.Keep:    {"keeps its last good definition", "would keep its last good definition"},
	status.Bad:     {"is invalid", "would be invalid"},
}

// settings shows the line of the plan about gsv.toml.
func (c *cli) settings(cmd *command, changed []string, dry bool) {
	if len(changed) == 0 || cmd.has("quiet") {
		return
	}
	words := "changed"
	if dry {
		words = "would be changed"
	}
	fmt.Fprintf(c.out, "gsv.toml@%s: %s (%s)\n", c.host, words, strings.Join(changed, ", "))
}

// step shows a line of the plan.
func (c *cli) step(cmd *command, s *status.Step, dry bool) {
	words, ok := applied[s.Action]
	if !ok {
		words = [2]string{s.Action, "would be: " + s.Action}
	}
	text := s.Service + "@" + c.host + ": " + words[0]
	if dry {
		text = s.Service + "@" + c.host + ": " + words[1]
	}
	if len(s.Keys) > 0 {
		text += " (" + strings.Join(s.Keys, ", ") + ")"
	}
	switch {
	case s.Error != "":
		fmt.Fprintf(c.err, "%s@%s: %s FAILED: %s\n", s.Service, c.host, s.Action, c.safeErr(control.OneLine(s.Error)))
		for _, line := range s.Log {
			fmt.Fprintf(c.err, "  | %s\n", c.safeErr(line))
		}
	case !cmd.has("quiet"):
		fmt.Fprintln(c.out, text)
	}
}

// shutdown ends gsv. That it has ended is known when nothing holds its socket any more: a stream of events is cut off with the supervisor, and
// asking again is refused once the guardian has gone too.
func (c *cli) shutdown(cmd *command) int {
	c.mayWait()
	var about status.About
	if err := c.client.Get("/v1", &about); err != nil {
		return c.fail(cmd, err)
	}
	err := c.client.Do("POST", "/v1/shutdown", nil, &about)
	var u *control.Unreachable
	if errors.As(err, &u) && u.Gone { // it ended before its answer was read
		return c.hasEnded(cmd, &about)
	}
	if err != nil {
		return c.fail(cmd, err)
	}
	if cmd.has("no-wait") {
		if !cmd.has("quiet") {
			fmt.Fprintf(c.out, "gsvctl: gsv (pid %d) is shutting down, not finished and going on\n", about.Pid)
		}
		return control.Done
	}
	c.progress("stopping every service")
	err = c.client.Lines("GET", "/v1/events?follow=true", nil, func([]byte) error { return nil })
	c.clear()
	switch code := control.Exit(err); {
	case code == control.NoAnswer || err == nil:
		return c.hasEnded(cmd, &about)
	case code == control.TimedOut || code == control.Detached:
		fmt.Fprintf(c.err, "gsvctl: gsv (pid %d) is shutting down, not finished and going on\n", about.Pid)
		return code
	}
	return c.fail(cmd, err)
}

func (c *cli) hasEnded(cmd *command, about *status.About) int {
	if !cmd.has("quiet") {
		fmt.Fprintf(c.out, "gsvctl: gsv (pid %d) has ended\n", about.Pid)
	}
	return control.Done
}

// version shows the versions of both ends. It does not need gsv.
func (c *cli) version(cmd *command) int {
	var about status.About
	err := c.client.Get("/v1", &about)
	if cmd.has("json") {
		both := struct {
			Gsvctl string        `json:"gsvctl"`
			Gsv    *status.About `json:"gsv"`
		}{Gsvctl: control.Version()}
		if err == nil {
			both.Gsv = &about
		}
		c.json(both)
		return control.Done
	}
	fmt.Fprintf(c.out, "gsvctl %s\n", control.Version())
	if err != nil {
		fmt.Fprintf(c.err, "gsvctl: %v\n", err)
		return control.Done
	}
	fmt.Fprintf(c.out, "gsv %s, pid %d\n", about.Version, about.Pid)
	return control.Done
}

// check becomes `gsv check`: the gsv beside this gsvctl, else the one on the PATH.
func (c *cli) check(cmd *command) int {
	var tried []string
	if self, err := os.Executable(); err == nil {
		tried = append(tried, filepath.Join(filepath.Dir(self), "gsv"))
	}
	for _, dir := range filepath.SplitList(c.env("PATH")) {
		if dir != "" {
			tried = append(tried, filepath.Join(dir, "gsv"))
		}
	}
	for _, path := range tried {
		if st, err := os.Stat(path); err != nil || !st.Mode().IsRegular() || unix.Access(path, unix.X_OK) != nil {
			continue
		}
		err := syscall.Exec(path, slices.Concat([]string{"gsv", "check"}, cmd.words), os.Environ())
		fmt.Fprintf(c.err, "gsvctl: cannot run %s: %v\n", path, err)
		return control.Failed
	}
	fmt.Fprintln(c.err, "gsvctl: cannot find gsv, neither beside gsvctl nor on the PATH")
	return control.Failed
}
