package server

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"gsv/control"
	"gsv/supervise/status"
)

// services is GET /v1/services: those whose status the caller may see. As text/plain it is gsvctl's table.
func (s *Server) services(w http.ResponseWriter, r *http.Request, c status.Caller) error {
	all := s.gsv.Services()
	seen := all
	if !s.owner(c.UID) {
		seen = make([]status.Service, 0, len(all))
		for i := range all {
			if s.may(ask{verb: control.Lookup("status")}, all[i].Name, c) {
				seen = append(seen, all[i])
			}
		}
		if len(seen) == 0 && len(all) > 0 {
			return notPermitted(c, "see any service", "")
		}
	}
	if strings.Contains(r.Header.Get("Accept"), "text/plain") {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write(control.AppendTable(nil, seen, time.Now(), false)) // an error means that the client has gone
		return nil
	}
	for i := range seen {
		whole(&seen[i])
	}
	return answer(w, http.StatusOK, struct {
		Services []status.Service `json:"services"`
	}{seen})
}

// whole makes empty arrays of missing ones: scripts loop over them.
func whole(s *status.Service) {
	if s.Listen == nil {
		s.Listen = []string{}
	}
	if s.Groups == nil {
		s.Groups = []string{}
	}
}

// service is GET /v1/services/{name}?for=: what ps, pid or why says of it may be seen by fewer than its status. Where its code lies and what
// its processes are called is for those whom the service's table lets read.
func (s *Server) service(w http.ResponseWriter, r *http.Request, c status.Caller) error {
	verb := "status"
	switch word := r.URL.Query().Get("for"); word {
	case "", verb:
	case "ps", "pid", "why":
		verb = word
	default:
		return usage("for must be status, ps, pid or why, not "+quote(word), "")
	}
	one, err := s.seen(verb, r.PathValue("name"), c)
	if err != nil {
		return err
	}
	whole(&one)
	if !s.may(ask{verb: control.Lookup("ps")}, one.Name, c) {
		hide(&one)
	}
	return answer(w, http.StatusOK, one)
}

// hide leaves out of a service what its processes are called and where they are, lines of its file, and what it is deployed from.
func hide(s *status.Service) {
	s.FileProblem = ""
	if s.Watch != nil {
		watch := *s.Watch
		watch.Paths, watch.Stamp, watch.Pending = nil, "", ""
		s.Watch = &watch
	}
	s.Workers = slices.Clone(s.Workers)
	for i := range s.Workers {
		s.Workers[i].Cwd, s.Workers[i].Command = "", ""
	}
	if s.Main != nil {
		main := *s.Main
		main.Cwd, main.Command = "", ""
		s.Main = &main
	}
}

// seen is a service, if it is there and the caller may do a verb that only reads.
func (s *Server) seen(verb, name string, c status.Caller) (status.Service, error) {
	one, ok := s.gsv.Service(name)
	if !ok {
		return one, noService(name)
	}
	if !s.may(ask{verb: control.Lookup(verb)}, name, c) {
		return one, mayNotRead(c, verb, name)
	}
	return one, nil
}

// wait is GET /v1/services/{name}/wait?for=ready|running|stopped&timeout=: the service once it is so.
func (s *Server) wait(w http.ResponseWriter, r *http.Request, c status.Caller) error {
	name, what := r.PathValue("name"), r.URL.Query().Get("for")
	switch what {
	case "ready", "running", "stopped":
	default:
		return usage("cannot wait for "+quote(what), "ready, running or stopped")
	}
	if _, err := s.seen("wait", name, c); err != nil {
		return err
	}
	ctx, cancel, err := bounded(r.Context(), r.URL.Query().Get("timeout"))
	if err != nil {
		return err
	}
	defer cancel()
	one, err := s.gsv.WaitFor(ctx, name, what)
	if errors.Is(err, context.DeadlineExceeded) {
		return &status.Problem{Service: name, Detail: "not " + what + " yet", ExitCode: control.TimedOut}
	}
	if err != nil {
		return err
	}
	whole(&one)
	return answer(w, http.StatusOK, one)
}

// operation is GET /v1/operations/{id}; with wait=true it is answered as the verb itself would be.
func (s *Server) operation(w http.ResponseWriter, r *http.Request, c status.Caller) error {
	id := r.PathValue("id")
	op, ok := s.gsv.Operation(id)
	if !ok {
		return &status.Problem{Status: http.StatusNotFound, Title: "no such operation", Detail: "there is no operation " + quote(id), ExitCode: control.Failed,
			Hint: "it may have ended long ago"}
	}
	if op.By.UID != c.UID && !s.may(ask{verb: control.Lookup("status")}, op.Service, c) {
		return notPermitted(c, "see this operation", "")
	}
	waiting, err := flag(r, "wait")
	if err != nil {
		return err
	}
	if verb := control.Lookup(op.Verb); op.By.UID != c.UID && !s.may(ask{verb: control.Lookup("logs")}, op.Service, c) && (verb == nil || !s.may(ask{verb: verb}, op.Service, c)) {
		if waiting {
			return notPermitted(c, "see what comes of this operation, for its log lines may be shown", "")
		}
		op.Log = nil
	}
	if !waiting {
		return answer(w, http.StatusOK, op)
	}
	ctx, cancel, err := bounded(r.Context(), r.URL.Query().Get("timeout"))
	if err != nil {
		return err
	}
	defer cancel()
	return s.follow(ctx, w, r, op)
}

// events is GET /v1/events?follow=. Who does not own gsv sees those of the services that he may read.
func (s *Server) events(w http.ResponseWriter, r *http.Request, c status.Caller) error {
	follow, err := flag(r, "follow")
	if err != nil {
		return err
	}
	may := ask{verb: control.Lookup("events")}
	if !s.owner(c.UID) && !s.mayAny(may, c) {
		return notPermitted(c, "see events", "")
	}
	out := stream{w: w}
	out.begin("application/x-ndjson")
	if err := out.flush(); err != nil {
		return nil
	}
	ctx, cancel := s.endless(r.Context())
	defer cancel()
	err = s.gsv.Events(ctx, follow, func(e status.Event) error {
		if !s.owner(c.UID) && (e.Service == "" || !s.may(may, e.Service, c)) {
			return nil
		}
		return out.line(e)
	})
	if err != nil {
		panic(http.ErrAbortHandler) // it is not whole
	}
	return nil
}

// history is GET /v1/history?service=: the operations that have ended, of that service or of all that the caller may read.
func (s *Server) history(w http.ResponseWriter, r *http.Request, c status.Caller) error {
	may := ask{verb: control.Lookup("history")}
	name := r.URL.Query().Get("service")
	_, known := s.gsv.Allow(name)
	switch {
	case s.owner(c.UID):
	case name == "" && !s.mayAny(may, c):
		return notPermitted(c, "see the history", "")
	case name != "" && !known:
		return noService(name)
	case name != "" && !s.may(may, name, c):
		return mayNotRead(c, "history", name)
	}
	all, err := s.gsv.History(r.Context(), name)
	if err != nil {
		return err
	}
	if name != "" && !known && len(all) == 0 { // one that is gone has a history too
		return noService(name)
	}
	seen := status.History{Operations: make([]status.Operation, 0, len(all))}
	for i := range all {
		if s.owner(c.UID) || all[i].Service != "" && s.may(may, all[i].Service, c) {
			seen.Operations = append(seen.Operations, all[i])
		}
	}
	return answer(w, http.StatusOK, seen)
}

// mayAny says whether there is a service that the caller may do something with.
func (s *Server) mayAny(a ask, c status.Caller) bool {
	return slices.ContainsFunc(s.gsv.Services(), func(one status.Service) bool { return s.may(a, one.Name, c) })
}

// endless is the context of a stream that goes on until its client, or the server, has had enough.
func (s *Server) endless(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(s.ending, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// flag is a parameter that is true, or false when it is missing.
func flag(r *http.Request, name string) (bool, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return false, nil
	}
	b, err := strconv.ParseBool(text)
	if err != nil {
		return false, usage(name+" must be true or false, not "+quote(text), "")
	}
	return b, nil
}

// quote shows what a client sent: short, and without control characters.
func quote(text string) string {
	if len(text) > 64 {
		text = text[:64] + "…"
	}
	return strconv.Quote(text)
}
