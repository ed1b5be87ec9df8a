package status

import (
	"strings"
	"time"
)

// A Request is a verb that somebody wants carried out on one service, checked and permitted.
type Request struct {
	ID      string // names the operation; a second request with the same ID attaches to the first one's operation
	Verb    string // the row's name in the table of verbs, never an alias
	Service string
	Count   int           // ttin, ttou: how many, at least 1
	Signal  string        // of a verb that sends a signal: its name without "SIG", known to be one
	Reset   bool          // restart: forget the failures counted so far
	Force   bool          // do it although it would be refused
	OrStart bool          // hup: start it if it was stopped on purpose
	NoCheck bool          // start, restart, hup, ttin: without the check-command
	Action  string        // watch: Pause or Resume
	For     time.Duration // watch: how long it is paused; 0 = until it is resumed
	Reason  string        // why nobody had to ask for it
	By      Caller
}

// An Outcome is one line of the answer to a verb on several services: an operation as it is now, or why there is none. One of the two is set.
type Outcome struct {
	Operation *Operation `json:"operation,omitempty"`
	Problem   *Problem   `json:"problem,omitempty"`
}

// An ApplyRequest asks for the service files to be read again.
type ApplyRequest struct {
	ID      string   // as Request.ID
	Names   []string // only these services; empty = all
	DryRun  bool     // say the plan, do nothing
	Restart bool     // restart what cannot take its change live
	Force   bool     // although it stops every running service
	By      Caller
}

// What apply does to a service.
const (
	Add     = "add"
	Remove  = "remove"
	Change  = "change"  // taken live
	Restart = "restart" // restarted, because --restart was given
	Replace = "replace" // by a new generation beside the old one, for that is how it is reloaded
	Pend    = "pending" // noted, waits for a restart
	Keep    = "keep"    // its file is bad: it keeps its last good definition
	Bad     = "invalid" // its file is bad, and it never had a good one
)

// A Step is one line of an apply's plan. A service that nothing happens to has none.
type Step struct {
	Service string   `json:"service"`
	Action  string   `json:"action"`
	Keys    []string `json:"keys,omitempty"`  // the keys of the file that changed
	Error   string   `json:"error,omitempty"` // the step was tried and failed
	Log     []string `json:"log,omitempty"`   // then, what the service or its check-command wrote
}

// An ApplyResult is the plan of an apply and what came of it.
type ApplyResult struct {
	ID       string   `json:"id"`
	DryRun   bool     `json:"dry_run"`
	Steps    []Step   `json:"steps"`
	Settings []string `json:"settings,omitempty"` // the keys of gsv.toml that changed
	Problems []string `json:"problems,omitempty"` // of bad files, each rendered with its line, caret and hint
	Warnings []string `json:"warnings,omitempty"` // of the good files that a step is about, rendered likewise
	Error    string   `json:"error,omitempty"`    // nothing was done, and why
	Hint     string   `json:"hint,omitempty"`
}

// A Problem is why a request was not carried out, as in RFC 9457. It is an error.
// ExitCode is what gsvctl ends with, and decides the HTTP status where Status is 0.
type Problem struct {
	Type      string       `json:"type"` // "about:blank" or "gsv:" and a word; never parsed further
	Title     string       `json:"title"`
	Status    int          `json:"status"`
	Detail    string       `json:"detail"`
	Service   string       `json:"service,omitempty"`
	Hint      string       `json:"hint,omitempty"`
	ExitCode  int          `json:"exit_code"`
	Operation *Operation   `json:"operation,omitempty"` // the failed one
	Apply     *ApplyResult `json:"apply,omitempty"`     // what was done all the same
}

// Error is the detail, with the service before it where there is one.
func (p *Problem) Error() string {
	text := p.Detail
	if text == "" {
		text = p.Title
	}
	if p.Service != "" && !strings.HasPrefix(text, p.Service) {
		return p.Service + ": " + text
	}
	return text
}

// A Call is the body of POST /v1/services/{name}/{verb}, where Verb, Names and All are empty, and of POST /v1/services, which is
// about several services: all of them are looked up and permitted before anything is done.
type Call struct {
	ID      string   `json:"id,omitempty"` // of the operation; of several services each operation's is this, "-" and the service; empty: gsv makes one
	Count   int      `json:"count,omitempty"`
	Signal  string   `json:"signal,omitempty"`
	Reset   bool     `json:"reset,omitempty"`
	Force   bool     `json:"force,omitempty"`
	OrStart bool     `json:"or_start,omitempty"`
	NoCheck bool     `json:"no_check,omitempty"`
	Action  string   `json:"action,omitempty"`
	For     string   `json:"for,omitempty"`     // "10m"
	Wait    *bool    `json:"wait,omitempty"`    // answer when it has ended; default true
	Timeout string   `json:"timeout,omitempty"` // "60s": answer then at the latest
	Verb    string   `json:"verb,omitempty"`
	Names   []string `json:"names,omitempty"` // services, globs, @groups
	All     bool     `json:"all,omitempty"`
}

// An ApplyCall is the body of POST /v1/apply.
type ApplyCall struct {
	ID      string   `json:"id,omitempty"`
	Names   []string `json:"names,omitempty"`
	DryRun  bool     `json:"dry_run,omitempty"`
	Restart bool     `json:"restart,omitempty"`
	Force   bool     `json:"force,omitempty"`
}
