package main

import (
	"fmt"
	"strconv"
	"strings"
	"sync"

	"gsv/control"
	"gsv/supervise/status"
)

// wait waits for services, or for an operation.
func (c *cli) wait(cmd *command) int {
	c.mayWait()
	what, id := cmd.flags["for"], cmd.flags["op"]
	switch {
	case id != "" && what == "" && len(cmd.words) == 0 && !cmd.has("all"):
		return c.waitOperation(cmd, id)
	case id != "":
		return c.usage(&usageError{text: "--op stands alone"})
	case what == "":
		return c.usage(&usageError{text: "wait needs to know for what", hint: "gsvctl wait web --for ready, or gsvctl wait --op ID"})
	case what != "ready" && what != "running" && what != "stopped":
		return c.usage(&usageError{text: "--for takes ready, running or stopped, not " + strconv.Quote(what)})
	case len(cmd.words) == 0 && !cmd.has("all"):
		return c.usage(&usageError{text: "wait needs a service, or --all"})
	}
	names := cmd.words
	if len(names) != 1 || !control.Plain(names[0]) {
		var all listing
		if err := c.client.Get("/v1/services", &all); err != nil {
			return c.fail(cmd, err)
		}
		var unknown []string
		names, unknown = control.Expand(cmd.words, cmd.has("all"), all.Services)
		if len(unknown) > 0 {
			return c.fail(cmd, &status.Problem{Service: strings.Join(unknown, ", "), Detail: "no such service", ExitCode: control.NoService})
		}
	}
	codes := make([]int, len(names))
	var wg sync.WaitGroup
	var out sync.Mutex
	for i, name := range names {
		wg.Go(func() {
			var s status.Service
			err := c.client.Get("/v1/services/"+control.Escape(name)+"/wait?for="+what, &s)
			out.Lock()
			defer out.Unlock()
			codes[i] = c.waited(cmd, name, what, &s, err)
		})
	}
	wg.Wait()
	return control.Worst(codes...)
}

// waited says that a service is as it was waited for, or why not.
func (c *cli) waited(cmd *command, name, what string, s *status.Service, err error) int {
	switch code := control.Exit(err); {
	case code == control.TimedOut:
		fmt.Fprintf(c.err, "%s@%s: not %s after %s\n", name, c.host, what, cmd.flags["timeout"])
		return code
	case err != nil:
		return c.fail(cmd, err)
	case cmd.has("json"):
		c.json(s)
	case !cmd.has("quiet") && s.Pid > 0:
		fmt.Fprintf(c.out, "%s@%s: %s, pid %d\n", name, c.host, what, s.Pid)
	case !cmd.has("quiet"):
		fmt.Fprintf(c.out, "%s@%s: %s\n", name, c.host, what)
	}
	return control.Done
}

// waitOperation shows how an operation ends, and exits as the verb that began it would have.
func (c *cli) waitOperation(cmd *command, id string) int {
	f := follower{cli: c, cmd: cmd, one: id, seen: make(map[string]*seen)}
	return f.end(c.client.Lines("GET", "/v1/operations/"+control.Escape(id)+"?wait=true", nil, f.line))
}
