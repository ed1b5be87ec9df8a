package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

	"gsv/control"
	"gsv/supervise/status"
)

// logs shows what services wrote: of one as it is, of several each line with its service's name.
func (c *cli) logs(cmd *command) int {
	c.mayWait()
	lines, err := cmd.number("lines", 10, 0, 1_000_000)
	if err != nil {
		return c.usage(err)
	}
	l := logReader{cli: c, cmd: cmd, lines: lines, follow: cmd.has("follow")}
	if len(cmd.words) == 1 && control.Plain(cmd.words[0]) {
		return l.read(cmd.words[0], "")
	}
	var all listing
	if err := c.client.Get("/v1/services", &all); err != nil {
		return c.fail(cmd, err)
	}
	names, unknown := control.Expand(cmd.words, len(cmd.words) == 0, all.Services)
	if len(unknown) > 0 {
		return c.fail(cmd, &status.Problem{Service: strings.Join(unknown, ", "), Detail: "no such service", ExitCode: control.NoService})
	}
	width := 0
	for _, name := range names {
		width = max(width, len(name))
	}
	codes := make([]int, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		prefix := fmt.Sprintf("%-*s | ", width, name)
		if !l.follow {
			codes[i] = l.read(name, prefix)
			continue
		}
		wg.Go(func() { codes[i] = l.read(name, prefix) })
	}
	wg.Wait()
	return control.Worst(codes...)
}

// A logReader writes logs to one place, whole lines at a time.
type logReader struct {
	*cli
	cmd    *command
	lines  int
	follow bool
	out    sync.Mutex
}

// read shows the log of one service. When gsv's supervisor dies while it is followed, it goes on with what is written from then on.
func (l *logReader) read(name, prefix string) int {
	lines := l.lines
	for {
		path := "/v1/services/" + control.Escape(name) + "/logs?lines=" + strconv.Itoa(lines) + "&follow=" + strconv.FormatBool(l.follow)
		began := false
		whole, err := l.client.Once(path, "text/plain", func(r io.Reader) error {
			began = true
			return l.copy(r, prefix)
		})
		switch {
		case err != nil:
			return l.fail(l.cmd, err)
		case whole:
			return control.Done
		case began && !l.follow:
			return l.fail(l.cmd, fmt.Errorf("%s: gsv's supervisor ended in the middle of the log; say it again", name))
		case began:
			lines = 0
			fmt.Fprintf(l.cli.err, "gsvctl: %s: gsv's supervisor was started again; lines of that moment are only in the file\n", name)
		}
	}
}

// copy shows lines as they come. The last one may have no end.
func (l *logReader) copy(r io.Reader, prefix string) error {
	if prefix == "" && !l.screen {
		_, err := io.Copy(l.cli.out, r)
		return err
	}
	b := bufio.NewReaderSize(r, 64<<10)
	begin := true
	for {
		line, err := b.ReadSlice('\n')
		if len(line) > 0 {
			ended := line[len(line)-1] == '\n'
			l.line(prefix, l.safe(string(line)), begin, ended || err == bufio.ErrBufferFull)
			begin = ended
		}
		if err == io.EOF {
			return nil
		}
		if err != nil && err != bufio.ErrBufferFull {
			return err
		}
	}
}

// line writes one; what is longer than the buffer comes in pieces, of which the first has the prefix.
func (l *logReader) line(prefix, text string, begin, ended bool) {
	l.out.Lock()
	defer l.out.Unlock()
	if begin {
		text = prefix + text
	}
	if !ended {
		text += "\n"
	}
	io.WriteString(l.cli.out, text)
}

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
