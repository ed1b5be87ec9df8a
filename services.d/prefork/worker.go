package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// How long a worker waits for a request's headers, and on a kept connection
// for the next request: Starman's defaults.
const (
	readTimeout      = 5 * time.Second
	keepaliveTimeout = time.Second
)

// WorkerSignals tell a worker to go.
var workerSignals = []os.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM}

// RunWorker loads the application, titles itself in shown unless that is nil, and
// serves connections from fd 3, one at a time, until it is told to go, its master is
// gone or it has served enough.
func runWorker(o options, shown []byte) int {
	master, err := strconv.Atoi(os.Getenv(masterEnv))
	if err != nil {
		return 2
	}
	var listener atomic.Pointer[net.Listener]
	sigs := make(chan os.Signal, 64)
	signal.Notify(sigs, workerSignals...)
	signal.Ignore(syscall.SIGPIPE)
	go func() {
		for sig := range sigs {
			l := listener.Load()
			if sig != syscall.SIGHUP || l == nil {
				os.Exit(0)
			}
			(*l).Close() // ends Accept; a connection that it has taken is still served
		}
	}()

	release, preloaded := os.LookupEnv(preloadEnv)
	if !preloaded {
		var status int
		if release, status = loadOrSay(o, master); status != 0 {
			return status
		}
	}
	if shown != nil {
		setTitle(shown, "starman worker "+strings.Join(os.Args[2:], " "))
	}
	f := os.NewFile(3, "listener")
	l, err := net.FileListener(f)
	if err != nil {
		say("cannot use the inherited socket: %v", err)
		return 255
	}
	f.Close()
	listener.Store(&l)
	for n := 0; n < o.maxRequests; n++ {
		c, err := l.Accept()
		if err != nil {
			return 0 // told to go, or the master has shut the socket down
		}
		serve(c, release)
		if os.Getppid() != master {
			return 0
		}
		if !accepting(l) {
			return 0
		}
	}
	return 0
}

// Accepting tells whether the listener is still open: SetDeadline fails on a
// closed one.
func accepting(l net.Listener) bool {
	return l.(interface{ SetDeadline(time.Time) error }).SetDeadline(time.Time{}) == nil
}

// Serve answers the requests of one connection. A query can ask for more than
// the line that every answer is:
//
//	stderr=TEXT     TEXT is a line on stderr, at once
//	sleep=DURATION  the answer takes this long
//	status=N        the answer has this status
//	there=FILE      the answer is 503 unless there is such a file
//	exit=STATUS     the worker exits instead of an answer
//	abort           the worker dumps core (signal 6) instead of an answer
func serve(c net.Conn, release string) {
	defer c.Close()
	r := bufio.NewReader(c)
	for {
		c.SetReadDeadline(time.Now().Add(readTimeout))
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		q := req.URL.Query()
		status, body := 200, fmt.Sprintf("release=%s pid=%d gen=%s\n", release, os.Getpid(), os.Getenv("GSV_GENERATION"))
		if q.Has("stderr") {
			say("%s", q.Get("stderr"))
		}
		if d, err := time.ParseDuration(q.Get("sleep")); err == nil {
			time.Sleep(d)
		} else if q.Has("sleep") {
			status, body = 400, err.Error()+"\n"
		}
		if n, err := strconv.Atoi(q.Get("status")); err == nil {
			status = n
		}
		if file := q.Get("there"); file != "" {
			if _, err := os.Stat(file); err != nil {
				status = http.StatusServiceUnavailable
			}
		}
		if n, err := strconv.Atoi(q.Get("exit")); err == nil {
			os.Exit(n)
		}
		if q.Has("abort") {
			setDefault(syscall.SIGABRT)
			_ = syscall.Kill(os.Getpid(), syscall.SIGABRT)
			select {}
		}
		keep := req.ProtoAtLeast(1, 1) && !req.Close || strings.EqualFold(req.Header.Get("Connection"), "keep-alive")
		connection := "close"
		if keep {
			connection = "keep-alive"
		}
		_, err = fmt.Fprintf(c, "HTTP/1.1 %d %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: %s\r\n\r\n%s",
			status, http.StatusText(status), len(body), connection, body)
		if err != nil || !keep {
			return
		}
		c.SetReadDeadline(time.Now().Add(keepaliveTimeout))
		if _, err := r.Peek(1); err != nil {
			return
		}
	}
}
