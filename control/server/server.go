package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"time"

	"gsv/control"
	"gsv/supervise/status"
)

// What a client may cost.
const (
	maxHeader = 64 << 10 // bytes
	maxBody   = 1 << 20  // bytes
)

// Options of a Server. The zero value is right but for UID.
type Options struct {
	UID         uint32        // gsv's own user, who may do what root may
	Connections int           // of one user who is neither that nor root, at a time; 0 = 128
	Patience    time.Duration // for a request to come in; 0 = 10 s. What is answered may take for ever
	Log         io.Writer     // where a panic of a request goes; nil = nowhere
}

// A Server answers control sockets.
type Server struct {
	gsv         Gsv
	uid         uint32
	connections int
	patience    time.Duration
	http        http.Server
	ending      context.Context // done once the server is to end: streams that would go on for ever do not
}

// New makes a server of g. It serves nothing yet.
func New(g Gsv, o Options) *Server {
	s := &Server{gsv: g, uid: o.UID, connections: o.Connections, patience: o.Patience}
	if s.connections == 0 {
		s.connections = 128
	}
	if s.patience == 0 {
		s.patience = 10 * time.Second
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	ending, end := context.WithCancel(context.Background())
	s.ending = ending
	s.http = http.Server{
		Handler:           s.handler(),
		ConnContext:       withCaller,
		MaxHeaderBytes:    maxHeader,
		ReadHeaderTimeout: s.patience,
		IdleTimeout:       time.Minute,
		ErrorLog:          log.New(o.Log, "gsv: control socket: ", 0),
	}
	s.http.RegisterOnShutdown(end)
	return s
}

// Serve answers what connects to a unix socket until Close, and returns nil then.
func (s *Server) Serve(l net.Listener) error {
	err := s.http.Serve(&listener{Listener: l, limit: s.connections, exempt: s.owner, open: make(map[uint32]int)})
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// Close ends Serve and every connection at once. It closes the listeners that Serve was given.
func (s *Server) Close() error { return s.http.Close() }

// Shutdown ends Serve, cuts off the streams that would go on for ever, and waits until every other answer that was begun is written, or ctx is done.
// It ends only with the operations that somebody waits for: end those first.
func (s *Server) Shutdown(ctx context.Context) error { return s.http.Shutdown(ctx) }

// handler is every path of /v1.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	for path, serve := range map[string]func(http.ResponseWriter, *http.Request, status.Caller) error{
		"GET /v1":                         s.about,
		"GET /v1/services":                s.services,
		"POST /v1/services":               s.several,
		"GET /v1/services/{name}":         s.service,
		"POST /v1/services/{name}/{verb}": s.verb,
		"GET /v1/services/{name}/logs":    s.logs,
		"GET /v1/logs":                    s.logsOf,
		"GET /v1/services/{name}/wait":    s.wait,
		"GET /v1/operations/{id}":         s.operation,
		"GET /v1/events":                  s.events,
		"POST /v1/apply":                  s.apply,
		"POST /v1/shutdown":               s.shutdown,
		"POST /v1/upgrade":                s.later,
		"GET /v1/history":                 s.history,
		"GET /v1/health":                  s.later,
		"GET /metrics":                    s.later,
		"/":                               s.unknown,
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			c, ok := callerOf(r.Context())
			if !ok {
				fail(w, notPermitted(status.Caller{User: "unknown"}, "use this socket", ""))
				return
			}
			if err := serve(w, r, c); err != nil {
				fail(w, err) // to nobody, if the client has gone
			}
		})
	}
	return mux
}

// about is GET /v1, which everybody may.
func (s *Server) about(w http.ResponseWriter, _ *http.Request, _ status.Caller) error {
	return answer(w, http.StatusOK, s.gsv.About())
}

func (s *Server) later(_ http.ResponseWriter, r *http.Request, _ status.Caller) error {
	return notYet(r.Method + " " + r.URL.Path)
}

// unknown is every path that is none.
func (s *Server) unknown(_ http.ResponseWriter, r *http.Request, _ status.Caller) error {
	return &status.Problem{Status: http.StatusNotFound, Title: "no such path", Detail: "there is no " + r.Method + " " + r.URL.Path,
		Hint: "docs/verbs.md lists the paths", ExitCode: control.Usage}
}

// read decodes the body of a request into what into points to. A field that this gsv does not know is an error: ignoring it could be
// ignoring what was asked for. No body is an empty one.
func (s *Server) read(w http.ResponseWriter, r *http.Request, into any) error {
	rc := http.NewResponseController(w)
	// Half a body must not keep the connection for ever, while the answer may take as long as it likes.
	if err := rc.SetReadDeadline(time.Now().Add(s.patience)); err != nil {
		return err
	}
	src, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return &status.Problem{Status: http.StatusRequestEntityTooLarge, Title: "too large", Detail: "the body is larger than 1 MiB", ExitCode: control.Usage}
		}
		return &status.Problem{Status: http.StatusRequestTimeout, Title: "no body", Detail: "cannot read the body of the request: " + err.Error(), ExitCode: control.Usage}
	}
	if err := rc.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	if len(bytes.TrimSpace(src)) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(src))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return usage("cannot understand the body of the request: "+strings.TrimPrefix(err.Error(), "json: "), "")
	}
	if d.More() {
		return usage("the body of the request is more than one JSON value", "")
	}
	return nil
}

// answer is one JSON document.
func answer(w http.ResponseWriter, code int, v any) error {
	src, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	// An error means that the client has gone.
	_, _ = w.Write(append(src, '\n'))
	return nil
}

// A stream is an answer that goes on, a JSON line at a time.
type stream struct {
	w     http.ResponseWriter
	begun bool
}

// line writes a line and sends it off. An error means that the client has gone.
func (s *stream) line(v any) error {
	src, err := json.Marshal(v)
	if err != nil {
		return err
	}
	s.begin("application/x-ndjson")
	if _, err := s.w.Write(append(src, '\n')); err != nil {
		return err
	}
	return s.flush()
}

// begin writes the head, once.
func (s *stream) begin(media string) {
	if !s.begun {
		s.begun = true
		s.w.Header().Set("Content-Type", media)
		s.w.WriteHeader(http.StatusOK)
	}
}

// end ends an answer. One that was begun and is not whole is cut off.
func (s *stream) end(media string, err error) error {
	switch {
	case err == nil:
		s.begin(media)
		return nil
	case !s.begun:
		return err
	}
	panic(http.ErrAbortHandler)
}

func (s *stream) flush() error { return http.NewResponseController(s.w).Flush() }

// wantsLines says whether the client asked for progress.
func wantsLines(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "application/x-ndjson")
}
