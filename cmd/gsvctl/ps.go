package main

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"gsv/control"
	"gsv/supervise/status"
)

// ps shows the processes of services, a line each.
func (c *cli) ps(cmd *command) int {
	var shown []status.Service
	code := c.each(cmd, func(s *status.Service) int {
		if s.Pid != 0 || len(s.Generations) > 0 {
			shown = append(shown, *s)
		}
		if s.Pid == 0 {
			return c.noProcess(s)
		}
		return control.Done
	})
	switch {
	case cmd.has("json"):
		c.json(listing{append([]status.Service{}, shown...)})
	case !cmd.has("quiet"):
		w := bufio.NewWriter(c.out)
		c.processes(w, shown)
		w.Flush()
	}
	return code
}

// pid shows the main process's pid and nothing else.
func (c *cli) pid(cmd *command) int {
	return c.each(cmd, func(s *status.Service) int {
		if s.Pid == 0 {
			return c.noProcess(s)
		}
		switch {
		case cmd.has("json"):
			c.json(struct {
				Name string `json:"name"`
				Pid  int    `json:"pid"`
			}{s.Name, s.Pid})
		case !cmd.has("quiet"):
			fmt.Fprintln(c.out, s.Pid)
		}
		return control.Done
	})
}

// each calls show with each service of the command line, as its verb sees it, and gives the exit status.
func (c *cli) each(cmd *command, show func(*status.Service) int) int {
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
	var codes []int
	for _, name := range names {
		var s status.Service
		if err := c.client.Get("/v1/services/"+control.Escape(name)+"?for="+cmd.verb.Name, &s); err != nil {
			codes = append(codes, c.fail(cmd, err))
			continue
		}
		codes = append(codes, show(&s))
	}
	return control.Worst(codes...)
}

func (c *cli) noProcess(s *status.Service) int {
	fmt.Fprintf(c.err, "%s@%s: is %s, there is no main process\n", s.Name, c.host, s.State)
	return control.NotRunning
}

// processes writes columns that stay the same: service, role, pid, age, RSS, PSS, generation, state, working directory, and what the process
// calls itself, which may be of several words. What there is not is "-". Only one process is "main": that of a generation beside the one that
// serves has the role of its generation.
func (c *cli) processes(w io.Writer, services []status.Service) {
	rows := [][]string{{"NAME", "ROLE", "PID", "AGE", "RSS", "PSS", "GEN", "S", "DIRECTORY", "COMMAND"}}
	for i := range services {
		s := &services[i]
		main := status.Worker{Pid: s.Pid, Generation: s.Generation}
		if s.Main != nil {
			main = *s.Main
		}
		own, others := crews(s)
		if main.Pid != 0 {
			rows = append(rows, c.process(s.Name, "main", &main))
		}
		rows = append(rows, c.workers(s.Name, own)...)
		for j := range others {
			if others[j].main.Pid != 0 {
				rows = append(rows, c.process(s.Name, others[j].role, &others[j].main))
			}
			rows = append(rows, c.workers(s.Name, others[j].workers)...)
		}
	}
	if !c.colour {
		rows = rows[1:]
	}
	columns(w, rows)
}

// workers is a row each.
func (c *cli) workers(service string, workers []status.Worker) (rows [][]string) {
	for i := range workers {
		rows = append(rows, c.process(service, "worker", &workers[i]))
	}
	return rows
}

// process is the row of a process.
func (c *cli) process(service, role string, p *status.Worker) []string {
	return []string{service, role, strconv.Itoa(p.Pid), age(p.Started, c.now()), size(p.RSS), size(p.PSS), strconv.Itoa(p.Generation),
		cmp.Or(p.State, "-"), word(c.safe(p.Cwd)), cmp.Or(c.line(p.Command), "-")}
}

// columns writes rows of cells, each but a row's last as wide as the widest of its column and two blanks.
func columns(w io.Writer, rows [][]string) {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			if i < len(row)-1 {
				widths[i] = max(widths[i], len([]rune(cell)))
			}
		}
	}
	for _, row := range rows {
		for i, cell := range row {
			if i < len(row)-1 {
				cell += strings.Repeat(" ", widths[i]+2-len([]rune(cell)))
			}
			io.WriteString(w, cell)
		}
		io.WriteString(w, "\n")
	}
}

// age is how old something is, "-" where that is not known.
func age(since, now time.Time) string {
	if since.IsZero() {
		return "-"
	}
	return control.Age(now.Sub(since))
}

// size shows a number of bytes as one word in the units of service files: "512KB", "45.1MB".
func size(n int64) string {
	switch {
	case n <= 0:
		return "-"
	case n < 1<<20:
		return strconv.FormatInt((n+1<<9)>>10, 10) + "KB"
	case n < 1<<30:
		return strconv.FormatFloat(float64(n)/(1<<20), 'f', 1, 64) + "MB"
	}
	return strconv.FormatFloat(float64(n)/(1<<30), 'f', 1, 64) + "GB"
}

// word makes one cell of what may have blanks: they would shift the columns.
func word(text string) string {
	return cmp.Or(strings.Map(func(r rune) rune {
		if r == ' ' || r == '\n' || r == '\t' {
			return '\u00a0'
		}
		return r
	}, strings.TrimSuffix(text, " (deleted)")), "-") + deleted(text)
}

func deleted(text string) string {
	if strings.HasSuffix(text, " (deleted)") {
		return "(deleted)"
	}
	return ""
}
