package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gsv/control"
	"gsv/supervise/status"
)

// What a reader of logs may ask for. A pattern takes time linear in what it is matched with, and memory by its length.
const (
	maxLines   = 1_000_000
	maxPattern = 1024 // bytes
	maxMatches = 100  // that are shown in a line
)

// logs is GET /v1/services/{name}/logs: what one service wrote, as it wrote it, or the lines that match.
func (s *Server) logs(w http.ResponseWriter, r *http.Request, c status.Caller) error {
	name := r.PathValue("name")
	if _, err := s.seen("logs", name, c); err != nil {
		return err
	}
	q, err := s.logQuery(r, c, []string{name})
	if err != nil {
		return err
	}
	if wantsLines(r) {
		return s.logLines(w, r, q)
	}
	if !q.Since.IsZero() || q.Match != nil || q.Operation != nil {
		return s.logText(w, r, q)
	}
	out := stream{w: w}
	ctx, cancel := s.endless(r.Context())
	defer cancel()
	err = s.gsv.Logs(ctx, q, func(at string, p []byte) error {
		if at != "" && !out.begun {
			w.Header().Set("Gsv-Cursor", at)
		}
		out.begin(plain)
		if len(p) > 0 {
			if _, err := w.Write(p); err != nil {
				return err
			}
		}
		if q.Follow {
			return out.flush()
		}
		return nil
	})
	return out.end(plain, err)
}

// logsOf is GET /v1/logs?name=&name=: the lines of several services, merged by when they were written; without a name those of all that the
// caller may read, or of the operation's service.
func (s *Server) logsOf(w http.ResponseWriter, r *http.Request, c status.Caller) error {
	names := slices.Clone(r.URL.Query()["name"])
	slices.Sort(names)
	names = slices.Compact(names)
	for _, name := range names { // all, before anything is sent
		if _, err := s.seen("logs", name, c); err != nil {
			return err
		}
	}
	q, err := s.logQuery(r, c, names)
	if err != nil {
		return err
	}
	if len(q.Services) == 0 {
		q.Some = true
		all := s.gsv.Services()
		for i := range all {
			if s.may(ask{verb: control.Lookup("logs")}, all[i].Name, c) {
				q.Services = append(q.Services, all[i].Name)
			}
		}
		if len(q.Services) == 0 && len(all) > 0 {
			return notPermitted(c, "see the log of any service", "")
		}
	}
	if wantsLines(r) {
		return s.logLines(w, r, q)
	}
	return s.logText(w, r, q)
}

// logQuery is what a request asks for. Without lines= they are the last 10 of each, but all that match where it says which.
func (s *Server) logQuery(r *http.Request, c status.Caller, names []string) (q status.LogQuery, err error) {
	v := r.URL.Query()
	q = status.LogQuery{Services: names, Lines: 10}
	if q.Follow, err = flag(r, "follow"); err != nil {
		return q, err
	}
	if text := v.Get("since"); text != "" {
		q.Lines = -1
		if q.Since, err = moment(text, time.Now()); err != nil {
			return q, err
		}
	}
	if text := v.Get("grep"); text != "" {
		q.Lines = -1
		if q.Match, err = pattern(text); err != nil {
			return q, err
		}
	}
	if id := v.Get("op"); id != "" {
		q.Lines = -1
		if err := s.ofOperation(r, c, &q, id); err != nil {
			return q, err
		}
	}
	if text := v.Get("lines"); text != "" {
		if q.Lines, err = strconv.Atoi(text); err != nil || q.Lines < 0 || q.Lines > maxLines {
			return q, usage("lines must be 0 to 1000000, not "+quote(text), "")
		}
	}
	for _, text := range v["from"] {
		source, cursor, _ := strings.Cut(text, ":")
		if cursor == "" {
			return q, usage("from must be a service and a cursor, not "+quote(text), "")
		}
		if q.From == nil {
			q.From = make(map[string]string)
		}
		q.From[source] = cursor
	}
	return q, nil
}

// moment is a time, or how long ago it is.
func moment(text string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	return time.Time{}, usage("since must be a duration with its unit or a time as of RFC 3339, not "+quote(text), `"10m", or "2026-11-23T03:00:00Z"`)
}

// pattern is what grep= says, as of RE2.
func pattern(text string) (func([]byte) bool, error) {
	if len(text) > maxPattern {
		return nil, usage(fmt.Sprintf("a pattern may have %d bytes, not %d", maxPattern, len(text)), "")
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, usage("cannot understand the pattern: "+strings.TrimPrefix(err.Error(), "error parsing regexp: "), "https://golang.org/s/re2syntax has the syntax")
	}
	return re.Match, nil
}

// ofOperation has a query ask for the lines of an operation.
func (s *Server) ofOperation(r *http.Request, c status.Caller, q *status.LogQuery, id string) error {
	op, ok := s.gsv.Operation(id)
	if !ok {
		past, err := s.gsv.History(r.Context(), "")
		if err != nil {
			return err
		}
		i := slices.IndexFunc(past, func(op status.Operation) bool { return op.ID == id })
		if ok = i >= 0; ok {
			op = past[i]
		}
	}
	switch {
	case !ok:
		return &status.Problem{Status: http.StatusNotFound, Title: "no such operation", Detail: "there is no operation " + quote(id), ExitCode: control.Failed,
			Hint: "gsvctl history lists them"}
	case len(q.Services) == 0:
		if _, err := s.seen("logs", op.Service, c); err != nil {
			return err
		}
		q.Services = []string{op.Service}
	case len(q.Services) > 1 || q.Services[0] != op.Service:
		text := "operation " + quote(id) + " is about another service"
		if s.may(ask{verb: control.Lookup("logs")}, op.Service, c) {
			text = "operation " + quote(id) + " is about " + op.Service
		}
		return usage(text, "")
	}
	q.Operation = &op
	q.Follow = q.Follow && !op.Done() // then there is nothing to come
	return nil
}

// plain is what a log is.
const plain = "text/plain; charset=utf-8"

// logLines answers with a line of JSON for each line.
func (s *Server) logLines(w http.ResponseWriter, r *http.Request, q status.LogQuery) error {
	cursors, err := flag(r, "cursors")
	if err != nil {
		return err
	}
	matches, err := flag(r, "matches")
	if err != nil {
		return err
	}
	var found *regexp.Regexp
	if matches && q.Match != nil {
		found = regexp.MustCompile(r.URL.Query().Get("grep")) // as pattern has
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	return s.logStream(w, r, q, "application/x-ndjson", func(l *status.LogLine) ([]byte, error) {
		if !cursors {
			if l.Mark {
				return nil, nil
			}
			l.Cursor = ""
		}
		if found != nil && !l.Mark {
			l.Matches = found.FindAllStringIndex(l.Text(), maxMatches)
		}
		b.Reset()
		err := enc.Encode(l)
		return b.Bytes(), err
	})
}

// logText answers with lines as they are, those of several services with its name in front of each.
func (s *Server) logText(w http.ResponseWriter, r *http.Request, q status.LogQuery) error {
	width := 0
	for _, name := range q.Services {
		width = max(width, len(name))
	}
	var b []byte
	part := false
	return s.logStream(w, r, q, plain, func(l *status.LogLine) ([]byte, error) {
		if l.Mark {
			return nil, nil
		}
		if b = b[:0]; len(q.Services) > 1 && !part {
			b = fmt.Appendf(b, "%-*s | ", width, l.Service)
		}
		if b, part = append(b, l.Text()...), l.Part; !part {
			b = append(b, '\n')
		}
		return b, nil
	})
}

// logStream answers with what text makes of lines, and sends them off when there are no more for now.
func (s *Server) logStream(w http.ResponseWriter, r *http.Request, q status.LogQuery, media string, text func(*status.LogLine) ([]byte, error)) error {
	out := stream{w: w}
	ctx, cancel := s.endless(r.Context())
	defer cancel()
	err := s.gsv.LogLines(ctx, q, func(l *status.LogLine) error {
		out.begin(media)
		if l == nil {
			return out.flush()
		}
		b, err := text(l)
		if err == nil && len(b) > 0 {
			_, err = w.Write(b)
		}
		return err
	})
	return out.end(media, err)
}
