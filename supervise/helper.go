package supervise

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"gsv/supervise/guardian"
	"gsv/supervise/lifecycle"
)

// A helper is a command that is run for an operation: a check-command or a
// reload-command. It is started by the guardian as services are, with the
// service's user, directory and environment, and what it leaves behind is ended
// with it.
type helper struct {
	svc     *service
	op      lifecycle.OpID
	what    string // "check-command"
	n       uint64
	program string        // what was to be executed
	output  chan []string // gets its last lines, once
	reader  *os.File      // of its output; nil: it was not started
	pid     int           // 0: the guardian has not told it
	late    bool          // it did not end in its time
	done    func(why string, lines []string)
}

// helperKey begins the keys by which the guardian knows helpers. No service has
// such a name.
const helperKey = "for "

const (
	helperLines = 20          // of output, shown with a failure
	helperTail  = 64 << 10    // of output, kept while it is read
	helperDrain = time.Second // for output to end, once the command has
)

// check runs the service's check-command, if it has one, before anything is done.
func (s *Supervisor) check(svc *service, op lifecycle.OpID) {
	nothing := "nothing was signalled"
	if o := s.ops.byID[op]; o != nil && (o.Verb == "start" || o.Verb == "once" || o.As == "start") {
		nothing = "nothing was started"
	} else if o != nil && o.Verb == "restart" {
		nothing = "nothing was stopped"
	}
	d, gen := svc.next, svc.state.Gen
	rl, sc := svc.state.Reload, svc.state.Scaling
	if d == nil || rl != nil && rl.Op == op || sc != nil && sc.Op == op {
		d = svc.def // a reload, or one more worker, is one of what runs
	}
	h := &helper{svc: svc, op: op, what: "check-command", done: func(why string, lines []string) {
		if why != "" {
			why += " (" + nothing + ")"
		}
		svc.said = lines
		s.step(svc, lifecycle.Checked{Op: op, Err: why})
		svc.said = nil
		if o := s.ops.byID[op]; o != nil && o.Streams && o.unwatch == nil {
			s.stream(svc, o)
		}
	}}
	s.help(h, d.CheckTimeout, func() (birth, error) {
		b, err := s.prepare(d, gen)
		if err == nil {
			b.spec.Argv, err = d.Check(b.spec.Path)
		}
		return b, err
	})
}

// runReload runs the service's reload-command.
func (s *Supervisor) runReload(svc *service, e lifecycle.RunReload) {
	d, pid := svc.def, svc.pid()
	h := &helper{svc: svc, op: e.Op, what: "reload-command", done: func(why string, lines []string) {
		svc.said = lines
		s.step(svc, lifecycle.Delivered{Op: e.Op, Err: why})
		svc.said = nil
	}}
	s.help(h, d.ReloadTimeout, func() (birth, error) {
		b, err := s.prepare(d, e.Gen)
		if err == nil {
			b.spec.Argv = d.ReloadCommand
			b.spec.Env = append(b.spec.Env, "MAINPID="+strconv.Itoa(pid)) // systemd.service(5), ExecReload=
		}
		return b, err
	})
}

// help starts a helper. prepare may look at files, which counts as part of its
// time; no command is a success.
func (s *Supervisor) help(h *helper, timeout time.Duration, prepare func() (birth, error)) {
	if s.helpers == nil {
		s.helpers = map[string]*helper{}
	}
	s.helped++
	h.n = uint64(s.pid)<<32 + s.helped // an earlier supervisor's may still be there
	key := helperKey + h.svc.name
	s.helpers[helperID(key, h.n)] = h
	there := func() bool { return s.helpers[helperID(key, h.n)] == h }
	if timeout > 0 {
		s.due.add(now().Add(timeout), there, func() {
			if h.reader == nil {
				s.helperDone(key, h, fmt.Sprintf("cannot run the %s: the files that it needs cannot be looked at within %s", h.what, brief(timeout)), nil)
				return
			}
			h.late = true
			h.what += " did not end within " + brief(timeout)
			s.guardian.Signal(0, key, h.n, syscall.SIGKILL, true)
			s.due.add(now().Add(lifecycle.KillGrace), there, func() {
				h.reader.Close()
				s.helperDone(key, h, h.what+" and survives SIGKILL: it waits in the kernel (state D)", nil)
			})
		})
	}
	go func() {
		b, err := prepare()
		s.report(func() {
			switch {
			case !there(): // nobody waits for it any more
				return
			case err != nil:
				s.helperDone(key, h, fmt.Sprintf("cannot run the %s: %s", h.what, err), nil)
				return
			case b.spec.Argv == nil:
				s.helperDone(key, h, "", nil)
				return
			}
			if err := s.startHelper(key, h, b); err != nil {
				s.helperDone(key, h, fmt.Sprintf("cannot run the %s: %s", h.what, err), nil)
			}
		})
	}()
}

func helperID(key string, n uint64) string { return key + " " + strconv.FormatUint(n, 10) }

func (s *Supervisor) startHelper(key string, h *helper, b birth) error {
	r, w, err := outputPipe(b.uid)
	if err != nil {
		return err
	}
	h.output, h.reader, h.program = make(chan []string, 1), r, b.spec.Argv[0]
	go func() {
		h.output <- tailOf(r, helperTail, helperLines)
		r.Close()
	}()
	files := []guardian.File{{File: s.null, Shared: true}, {File: w}, {File: w, Shared: true}}
	s.guardian.Start(key, h.n, b.spec, files, nil)
	return nil
}

// outputPipe makes a pipe for a user's process (-1: gsv's) to write to. Of
// os.Pipe the end for writing does not block either, which a program takes for an
// error as soon as the pipe is full. The user can open /dev/stderr.
func outputPipe(uid int) (r, w *os.File, err error) {
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, os.NewSyscallError("pipe2", err)
	}
	err = unix.SetNonblock(ends[0], true) // for the runtime to wait for it
	if err == nil && uid >= 0 {
		err = unix.Fchown(ends[1], uid, -1)
	}
	r, w = os.NewFile(uintptr(ends[0]), "output"), os.NewFile(uintptr(ends[1]), "output")
	if err != nil {
		r.Close()
		w.Close()
		return nil, nil, fmt.Errorf("cannot make a pipe: %w", err)
	}
	return r, w, nil
}

// tailOf reads to the end and returns the last lines, of so many bytes at most.
func tailOf(r io.Reader, size, lines int) []string {
	var text []byte
	buf := make([]byte, 32<<10)
	for {
		n, err := r.Read(buf)
		if text = append(text, buf[:n]...); len(text) > 2*size {
			text = append(text[:0], text[len(text)-size:]...)
		}
		if err != nil {
			break
		}
	}
	if len(text) > size {
		text = text[len(text)-size:]
	}
	all := splitLines(text)
	return cloneAll(all[max(0, len(all)-lines):])
}

// heardHelper takes what the guardian tells of a helper; false if the event is
// about something else.
func (s *Supervisor) heardHelper(ev guardian.Event) bool {
	switch ev := ev.(type) {
	case guardian.Started:
		if h := s.helpers[helperID(ev.Key, ev.N)]; h != nil {
			h.pid = ev.Pid
		}
		return strings.HasPrefix(ev.Key, helperKey)
	case guardian.Empty:
		return strings.HasPrefix(ev.Key, helperKey)
	case guardian.Ended:
		if !strings.HasPrefix(ev.Key, helperKey) {
			return false
		}
		if ev.Left {
			s.guardian.Signal(0, ev.Key, ev.N, syscall.SIGKILL, true)
		}
		s.guardian.Ack(ev.Key, ev.N)
		s.guardian.Release(ev.Key, ev.N)
		h := s.helpers[helperID(ev.Key, ev.N)]
		if h == nil {
			return true
		}
		d, what, late := h.svc.def, h.what, h.late
		go func() {
			why := howEnded(ev)
			switch {
			case late:
				why = what + " and was ended"
			case ev.Failure != nil:
				why = what + ": " + describeFailure(d, h.program, ev.Failure)
			case why != "":
				why = what + " " + why
			}
			// Somebody else may hold its output open, and write on.
			h.reader.SetReadDeadline(time.Now().Add(helperDrain))
			lines := <-h.output
			s.report(func() { s.helperDone(ev.Key, h, why, lines) })
		}()
		return true
	}
	return false
}

// howEnded says how a command has failed; "" if it has not.
func howEnded(ev guardian.Ended) string {
	exit := exitOf(ev)
	if exit.Signal == 0 && exit.Code == 0 && !exit.Unknown {
		return ""
	}
	return describeExit(exit)
}

// helperDone ends a helper, if it has not ended, and tells what has come of it.
func (s *Supervisor) helperDone(key string, h *helper, why string, lines []string) {
	if s.helpers[helperID(key, h.n)] != h {
		return
	}
	delete(s.helpers, helperID(key, h.n))
	h.done(why, lines)
}

// helping reports whether a process is a helper, or one of its session. unsure:
// there are helpers whose process is not known yet.
func (s *Supervisor) helping(session int) (is, unsure bool) {
	for _, h := range s.helpers {
		is = is || h.pid == session
		unsure = unsure || h.reader != nil && h.pid == 0
	}
	return is, unsure
}

// dropHelper ends the helper of an operation that has ended.
func (s *Supervisor) dropHelper(op lifecycle.OpID, svc *service) {
	for id, h := range s.helpers {
		if h.op == op && h.svc == svc {
			delete(s.helpers, id)
			s.endHelp(h)
		}
	}
}

// dropHelp ends a helper that nobody waits for any more.
func (s *Supervisor) dropHelp(h *helper) {
	id := helperID(helperKey+h.svc.name, h.n)
	if s.helpers[id] == h {
		delete(s.helpers, id)
		s.endHelp(h)
	}
}

func (s *Supervisor) endHelp(h *helper) {
	if h.reader != nil {
		h.reader.Close()
	}
	s.guardian.Signal(0, helperKey+h.svc.name, h.n, syscall.SIGKILL, true)
}
