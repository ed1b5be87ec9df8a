package server

import (
	"encoding/json"
	"errors"
	"net/http"

	"gsv/control"
	"gsv/supervise/status"
)

// fail answers with a problem; an error that is none becomes one.
func fail(w http.ResponseWriter, err error) {
	var p *status.Problem
	if !errors.As(err, &p) {
		p = &status.Problem{Detail: err.Error(), ExitCode: control.Failed}
	}
	q := complete(*p)
	src, err := json.Marshal(q)
	if err != nil {
		panic("bug: cannot encode a problem: " + err.Error())
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(q.Status)
	w.Write(append(src, '\n'))
}

// complete fills in what follows from the exit code.
func complete(p status.Problem) status.Problem {
	if p.ExitCode == 0 {
		p.ExitCode = control.Failed
	}
	kind := kinds[p.ExitCode]
	if kind.status == 0 {
		kind = kinds[control.Failed]
	}
	if p.Status == 0 {
		p.Status = kind.status
	}
	if p.Title == "" {
		p.Title = kind.title
	}
	if p.Type == "" {
		p.Type = "about:blank"
	}
	return p
}

// kinds is what the exit codes are in HTTP.
var kinds = map[int]struct {
	status int
	title  string
}{
	control.Failed:       {http.StatusConflict, "failed"},
	control.Usage:        {http.StatusBadRequest, "bad request"},
	control.NotRunning:   {http.StatusConflict, "not running"},
	control.NoService:    {http.StatusNotFound, "no such service"},
	control.TimedOut:     {http.StatusGatewayTimeout, "not finished in time"},
	control.NoAnswer:     {http.StatusServiceUnavailable, "gsv is going away"},
	control.NotPermitted: {http.StatusForbidden, "not permitted"},
	control.Invalid:      {http.StatusUnprocessableEntity, "invalid configuration"},
}

func noService(name string) *status.Problem {
	return &status.Problem{Service: name, Detail: "no such service", ExitCode: control.NoService, Hint: "gsvctl status lists them"}
}

func notPermitted(c status.Caller, what, service string) *status.Problem {
	p := &status.Problem{Service: service, ExitCode: control.NotPermitted, Detail: "user " + c.User + " may not " + what,
		Hint: "only root and gsv's own user may"}
	if service != "" {
		p.Detail += " it"
		p.Hint = "root, gsv's own user and those in the [allow] table of its service file may"
	}
	return p
}

// mayNotRead is the refusal of a verb that only tells about a service.
func mayNotRead(c status.Caller, verb, service string) *status.Problem {
	p := notPermitted(c, "", service)
	p.Detail = "user " + c.User + " may not use " + verb + " on " + service
	if control.Lookup(verb).Role == control.Reader {
		p.Detail += " (role read)"
	}
	return p
}

func usage(detail, hint string) *status.Problem {
	return &status.Problem{Detail: detail, Hint: hint, ExitCode: control.Usage}
}

func notYet(what string) *status.Problem {
	return &status.Problem{Status: http.StatusNotImplemented, Title: "not supported yet", Detail: what + ": not supported yet", ExitCode: control.Usage}
}
