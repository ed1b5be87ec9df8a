package main

import (
	"bufio"
	"cmp"
	"fmt"
	"strings"

	"gsv/control"
	"gsv/supervise/status"
)

// history shows who asked for what, when, and how it ended.
func (c *cli) history(cmd *command) int {
	path := "/v1/history"
	one := len(cmd.words) == 1 && control.Plain(cmd.words[0])
	if one {
		path += "?service=" + control.Escape(cmd.words[0])
	}
	var past status.History
	if err := c.client.Get(path, &past); err != nil {
		return c.fail(cmd, err)
	}
	code := control.Done
	if len(cmd.words) > 0 && !one {
		var all listing
		if err := c.client.Get("/v1/services", &all); err != nil {
			return c.fail(cmd, err)
		}
		names, unknown := control.Expand(cmd.words, false, all.Services)
		if len(unknown) > 0 {
			return c.fail(cmd, &status.Problem{Service: strings.Join(unknown, ", "), Detail: "no such service", ExitCode: control.NoService})
		}
		asked := make(map[string]bool, len(names))
		for _, name := range names {
			asked[name] = true
		}
		kept := past.Operations[:0]
		for _, op := range past.Operations {
			if asked[op.Service] {
				kept = append(kept, op)
			}
		}
		past.Operations = kept
	}
	switch {
	case cmd.has("json"):
		c.json(past)
	case !cmd.has("quiet"):
		rows := [][]string{{"TIME", "SERVICE", "VERB", "BY", "TOOK", "RESULT", "ID", ""}}
		for i := range past.Operations {
			rows = append(rows, c.operation(&past.Operations[i]))
		}
		if !c.colour {
			rows = rows[1:]
		}
		w := bufio.NewWriter(c.out)
		columns(w, rows)
		w.Flush()
	}
	return code
}

// operation is the row of an operation that has ended. Each cell but the last is one word.
func (c *cli) operation(op *status.Operation) []string {
	verb := op.Verb
	switch {
	case op.As != "":
		verb += "(" + op.As + ")"
	case op.Action != "":
		verb += "(" + op.Action + ")"
	case op.Signal != "" && op.Verb == "signal":
		verb += "(" + op.Signal + ")"
	}
	return []string{op.Started.Format(timeFormat), cmp.Or(op.Service, "gsv"), verb, word(c.safe(cmp.Or(op.By.User, "-"))),
		strings.ReplaceAll(control.Seconds(op.Seconds(c.now())), " ", ""), op.Result, op.ID, c.line(cameOf(op) + because(op.Reason))}
}

// because is why nobody had to ask for an operation, behind what came of it.
func because(reason string) string {
	if reason == "" {
		return ""
	}
	return " (" + reason + ")"
}

// cameOf is what there is to say of how an operation ended.
func cameOf(op *status.Operation) string {
	switch {
	case op.Result != status.OK && op.Tried != 0 && op.Serving && op.Generation > 0:
		return fmt.Sprintf("generation %d still serves: %s", op.Generation, cmp.Or(op.Error, fmt.Sprintf("generation %d failed", op.Tried)))
	case op.Result != status.OK:
		return cmp.Or(op.Error, "-")
	}
	var parts []string
	if op.Already {
		parts = append(parts, "was so already")
	}
	if op.Detail != "" {
		parts = append(parts, op.Detail)
	}
	if op.Release != "" {
		parts = append(parts, "release "+op.Release)
	}
	text := strings.Join(parts, ", ")
	if op.Warning != "" {
		text += "; " + op.Warning
	}
	return cmp.Or(text, "-")
}

// timeFormat is a moment in a column.
const timeFormat = "2006-01-02T15:04:05.000Z07:00"
