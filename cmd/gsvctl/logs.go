package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"gsv/control"
	"gsv/supervise/status"
)

// maxQuery is how long the path of a request may be: a server takes no more than 64 KiB of head.
const maxQuery = 60 << 10

// logs shows what services wrote: of one as it is, of several their lines merged by time, each with its service's name.
func (c *cli) logs(cmd *command) int {
	c.mayWait()
	l := logReader{cli: c, cmd: cmd, follow: cmd.has("follow"), at: make(map[string]string)}
	_, err := cmd.number("lines", 0, 0, 1_000_000)
	if err != nil {
		return c.usage(err)
	}
	query := "?follow=" + strconv.FormatBool(l.follow)
	for flag, key := range map[string]string{"lines": "lines", "since": "since", "grep": "grep", "op-lines": "op"} {
		if cmd.has(flag) {
			query += "&" + key + "=" + control.Escape(cmd.flags[flag])
			l.picks = l.picks || flag != "lines"
		}
	}
	if c.colour && cmd.has("grep") && !cmd.has("json") {
		query += "&matches=true"
	}
	one := len(cmd.words) == 1 && control.Plain(cmd.words[0])
	switch {
	case one && !l.picks && !cmd.has("json"):
		return l.raw(cmd.words[0], "/v1/services/"+control.Escape(cmd.words[0])+"/logs"+query)
	case one:
		return l.merged("/v1/services/" + control.Escape(cmd.words[0]) + "/logs" + query)
	case len(cmd.words) == 0 && cmd.has("op-lines"): // it says which service
		return l.merged("/v1/logs" + query)
	}
	var all listing
	if err := c.client.Get("/v1/services", &all); err != nil {
		return c.fail(cmd, err)
	}
	names, unknown := control.Expand(cmd.words, len(cmd.words) == 0, all.Services)
	if len(unknown) > 0 {
		return c.fail(cmd, &status.Problem{Service: strings.Join(unknown, ", "), Detail: "no such service", ExitCode: control.NoService})
	}
	for _, name := range names {
		l.width = max(l.width, len(name))
		if len(cmd.words) > 0 {
			query += "&name=" + control.Escape(name)
		}
	}
	return l.merged("/v1/logs" + query)
}

// A logReader shows logs.
type logReader struct {
	*cli
	cmd    *command
	follow bool
	picks  bool // only some lines are asked for
	width  int  // of the names in front of lines; 0: there are none

	at   map[string]string // how far it has come, by stream: the cursors to go on from
	open string            // the stream of which a piece of a line was shown that goes on
}

// raw shows the log of one service as it is. When gsv's supervisor dies meanwhile, it goes on with the next byte.
func (l *logReader) raw(name, path string) int {
	at, count := "", int64(0)
	for {
		began, url := false, path
		if at != "" {
			url += "&from=" + control.Escape(fmt.Sprintf("%s:%s+%d", name, at, count))
		}
		whole, err := l.client.Log(url, func(from string, r io.Reader) error {
			began, at, count = true, from, 0
			return l.copy(&counter{r, &count})
		})
		switch {
		case err != nil:
			return l.fail(l.cmd, err)
		case whole:
			return control.Done
		case began && at == "" && !l.follow:
			return l.fail(l.cmd, fmt.Errorf("%s: gsv's supervisor ended in the middle of the log; say it again", name))
		case began && at == "":
			path = "/v1/services/" + control.Escape(name) + "/logs?follow=true&lines=0"
			fmt.Fprintf(l.err, "gsvctl: %s: gsv's supervisor was started again; lines of that moment are only in the file\n", name)
		}
	}
}

// A counter counts what was read.
type counter struct {
	r io.Reader
	n *int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	*c.n += int64(n)
	return n, err
}

// copy shows bytes as they come. On a terminal the last line may have no end.
func (l *logReader) copy(r io.Reader) error {
	if !l.screen {
		_, err := io.Copy(l.out, r)
		return err
	}
	b := bufio.NewReaderSize(r, 64<<10)
	for {
		line, err := b.ReadSlice('\n')
		if text := l.safe(string(line)); len(line) > 0 {
			if line[len(line)-1] != '\n' && err != bufio.ErrBufferFull {
				text += "\n"
			}
			io.WriteString(l.out, text)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil && err != bufio.ErrBufferFull {
			return err
		}
	}
}

// merged shows lines. When gsv's supervisor dies meanwhile, it goes on with the next line of each stream.
func (l *logReader) merged(path string) int {
	path += "&cursors=true"
	out := l.out
	for {
		url := path
		for _, stream := range slices.Sorted(maps.Keys(l.at)) {
			url += "&from=" + control.Escape(stream+":"+l.at[stream])
		}
		if len(url) > maxQuery && len(path) < maxQuery {
			url = path + "&lines=0"
			fmt.Fprintln(l.err, "gsvctl: gsv's supervisor was started again; lines of that moment are only in the files")
		}
		b := bufio.NewWriterSize(out, 32<<10)
		l.out = b
		whole, err := l.client.LogLines(url, l.take, func() { b.Flush() })
		if whole && l.open != "" {
			b.WriteByte('\n')
		}
		b.Flush()
		switch l.out = out; {
		case err != nil:
			return l.fail(l.cmd, err)
		case whole:
			return control.Done
		}
	}
}

// take shows a line.
func (l *logReader) take(src []byte) error {
	var line status.LogLine
	if err := json.Unmarshal(src, &line); err != nil {
		return fmt.Errorf("cannot understand gsv's answer: %w", err)
	}
	stream := line.Source()
	if line.Cursor != "" {
		l.at[stream] = line.Cursor
	}
	switch {
	case line.Mark:
	case l.cmd.has("json"):
		fmt.Fprintf(l.out, "%s\n", src)
	default:
		text := l.text(&line)
		if l.open != stream {
			text = l.prefix(line.Service) + text
		}
		if l.open != "" && l.open != stream {
			text = "\n" + text
		}
		l.open = stream
		if !line.Part {
			l.open = ""
			text += "\n"
		}
		io.WriteString(l.out, text)
	}
	return nil
}

// text is what stands in a line, with what was looked for in bold red.
func (l *logReader) text(line *status.LogLine) string {
	raw, text, at := line.Text(), "", 0
	for _, m := range line.Matches {
		if len(m) == 2 && at <= m[0] && m[0] < m[1] && m[1] <= len(raw) {
			text += l.safe(raw[at:m[0]]) + "\x1b[1;31m" + l.safe(raw[m[0]:m[1]]) + "\x1b[0m"
			at = m[1]
		}
	}
	return text + l.safe(raw[at:])
}

// prefix is the name of a service in front of a line, each in a colour of its own, which is always the same.
func (l *logReader) prefix(name string) string {
	if l.width == 0 {
		return ""
	}
	text := fmt.Sprintf("%-*s | ", l.width, name)
	if !l.colour {
		return text
	}
	h := fnv.New32a()
	io.WriteString(h, name)
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", 31+h.Sum32()%6, text)
}
