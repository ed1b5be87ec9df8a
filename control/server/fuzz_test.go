package server

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gsv/control/server/servertest"
	"gsv/supervise/status"
)

// FuzzPaths: whatever is asked, the answer is JSON or text of a known status, a bad one a problem with an exit code, and nothing panics.
func FuzzPaths(f *testing.F) {
	for _, seed := range []struct{ method, url, body string }{
		{"GET", "/v1", ""}, {"GET", "/v1/services", ""}, {"POST", "/v1/services/web/hup", "{}"}, {"POST", "/v1/services", `{"verb":"stop","names":["w*"]}`},
		{"POST", "/v1/services/web/signal", `{"signal":"9"}`}, {"GET", "/v1/services/web/logs?lines=1", ""}, {"GET", "/v1/logs?name=web&grep=(a*)*&since=1h&from=web:1%2B2&op=x", ""}, {"GET", "/v1/operations/x?wait=1", ""},
		{"POST", "/v1/apply", `{"names":[""]}`}, {"GET", "/v1/services/%2e%2e/wait?for=ready&timeout=1ns", ""}, {"POST", "/v1/services", `{"verb":"hup","names":["[","\\"]}`},
	} {
		f.Add(seed.method, seed.url, seed.body)
	}
	handler := New(servertest.New("db", "web"), Options{}).handler()
	f.Fuzz(func(t *testing.T, method, url, body string) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond) // some of it goes on for ever
		defer cancel()
		r, err := http.NewRequestWithContext(withCaller(ctx, &conn{caller: status.Caller{User: "root"}}), method, "http://gsv"+url, strings.NewReader(body))
		if err != nil {
			return
		}
		w := deadlines{httptest.NewRecorder()}
		defer func() {
			if p := recover(); p != nil && p != http.ErrAbortHandler {
				panic(p)
			}
		}()
		handler.ServeHTTP(w, r)
		if w.Code >= 400 {
			var p status.Problem
			if err := json.NewDecoder(w.Body).Decode(&p); err != nil || p.ExitCode == 0 || p.Title == "" || p.Status != w.Code {
				t.Errorf("%s %s: %d with %+v, %v", method, url, w.Code, p, err)
			}
		}
	})
}

// deadlines is a recorder that takes the deadlines of a connection.
type deadlines struct{ *httptest.ResponseRecorder }

func (deadlines) SetReadDeadline(time.Time) error { return nil }
