package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"gsv/control"
	"gsv/supervise/status"
)

// about says which services the names of the command line stand for; nil: all there are, and gsv itself.
func (c *cli) about(cmd *command) (map[string]bool, error) {
	if len(cmd.words) == 0 {
		return nil, nil
	}
	var all listing
	if err := c.client.Get("/v1/services", &all); err != nil {
		return nil, err
	}
	names, unknown := control.Expand(cmd.words, false, all.Services)
	if len(unknown) > 0 { // -f would wait for ever
		return nil, &status.Problem{Service: strings.Join(unknown, ", "), Detail: "no such service", ExitCode: control.NoService}
	}
	asked := make(map[string]bool, len(names))
	for _, name := range names {
		asked[name] = true
	}
	return asked, nil
}

// events shows what happened.
func (c *cli) events(cmd *command) int {
	c.mayWait()
	path := "/v1/events"
	if cmd.has("follow") {
		path += "?follow=true"
	}
	about, err := c.about(cmd)
	if err != nil {
		return c.fail(cmd, err)
	}
	var last uint64
	err = c.client.Lines("GET", path, nil, func(src []byte) error {
		var e status.Event
		if err := json.Unmarshal(src, &e); err != nil {
			return fmt.Errorf("cannot understand gsv's answer: %w", err)
		}
		if e.Seq != 0 && e.Seq <= last { // all come again when the connection was lost
			return nil
		}
		last = e.Seq
		if about != nil && !about[e.Service] {
			return nil
		}
		if cmd.has("json") {
			fmt.Fprintf(c.out, "%s\n", src)
			return nil
		}
		who := e.Service
		if who == "" {
			who = "gsv"
		}
		what := e.Kind
		if e.State != "" {
			what = string(e.State)
		}
		fmt.Fprintf(c.out, "%s  %s  %s  %s\n", e.At.Format(timeFormat), who, what, c.line(e.Text))
		return nil
	})
	if err != nil {
		return c.fail(cmd, err)
	}
	return control.Done
}
