package supervise

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"gsv/supervise/definition"
	"gsv/supervise/lifecycle"
	"gsv/supervise/notify"
	"gsv/supervise/status"
)

// A service that says by sd_notify(3) what it does gets a socket for each run. A
// successor that a main process starts itself (USR2) inherits that run's, so it is
// there as long as any run that was born with it. The guardian has a descriptor of
// it: a supervisor's death closes nothing, and what is said meanwhile waits.
//
// Heard is what processes of the service say: a main process, what descends from
// it, what is in its session or group, and what has left these but is known by its
// environment (see findEscaped). Others are counted, and dropped. Of a sender that
// has ended before it could be looked at, as systemd-notify may have when nobody
// waits for it, there is only its user left: it is heard if that is the main
// process's. Nobody gains by that, for whoever has that user can end the service,
// or take it over with a debugger; and who did not mean to cannot hit upon the name.

// A voice is the socket of the runs that were born together.
type voice struct {
	sock    *notify.Socket
	kept    *os.File // what the guardian's descriptor is made of
	heard   bool     // somebody reads it
	dropped int      // messages of strangers since the last that was made known
	told    time.Time
	misled  time.Time // when it was last made known that a main process was named that is none
	aborted uint64    // the number of the main process that was aborted last
}

// told is what a run has said of itself. It survives a supervisor's death.
type told struct {
	Socket    string        `json:"socket,omitempty"` // where it says so
	Text      string        `json:"text,omitempty"`
	Ready     bool          `json:"ready,omitempty"`
	ReadyBy   int           `json:"ready_by,omitempty"` // the pid of who said so last
	Reloading bool          `json:"reloading,omitempty"`
	Answered  time.Time     `json:"answered,omitzero"` // when it said RELOADING=1 last
	Stopping  bool          `json:"stopping,omitempty"`
	Every     time.Duration `json:"every,omitempty"` // from one ping of its watchdog to the next; 0: it has none
}

const (
	// strangersTold is how often it is made known that strangers write to a socket, or
	// that strangers are named there.
	strangersTold = time.Minute
	// strangerAgain is how long what else a stranger sends is not looked at.
	strangerAgain = time.Second
)

// notifies reports whether a service says by sd_notify what it does.
func notifies(d *definition.Definition) bool {
	return d.Ready.Notify || d.Type.Notifies()
}

func notYetSaid(*definition.Definition) string { return "has not said READY=1" }

// voiceName is the name by which the guardian holds a socket. It cannot be that of
// a socket of [listen], which ends in an address.
func voiceName(svc *service, born int) string {
	return svc.name + " notify " + strconv.Itoa(born)
}

func giveSocket(s *Supervisor, svc *service, gen int, r *run, g *gift) error {
	sock, err := notify.Listen()
	if err != nil {
		return err
	}
	g.b.spec.Env = withVariables(g.b.spec.Env, []string{"NOTIFY_SOCKET=" + sock.Name()})
	return s.keepVoice(svc, r, sock)
}

// keepVoice takes a socket over, and has the guardian hold it too.
func (s *Supervisor) keepVoice(svc *service, r *run, sock *notify.Socket) error {
	kept, err := sock.File()
	if err != nil {
		sock.Close()
		return err
	}
	if svc.voices == nil {
		svc.voices = map[int]*voice{}
	}
	svc.voices[r.born] = &voice{sock: sock, kept: kept}
	r.told.Socket = sock.Name()
	s.guardian.Hold(voiceName(svc, r.born), kept)
	return nil
}

// regainSocket takes up the socket of an earlier supervisor's run. If its guardian
// was killed too, nobody has it: then it is made anew, by its name.
func regainSocket(s *Supervisor, svc *service, _ int, r *run, _ *gift) error {
	if svc.voices[r.born] != nil {
		return nil // it is that of another run as well
	}
	name := voiceName(svc, r.born)
	var sock *notify.Socket
	var err error
	if file := s.held[name]; file != nil {
		delete(s.held, name)
		sock, err = notify.Adopt(file)
		file.Close()
	} else if r.told.Socket != "" {
		sock, err = notify.Open(r.told.Socket)
	} else {
		err = errors.New("its notify socket is lost")
	}
	if err == nil {
		err = s.keepVoice(svc, r, sock)
	}
	if err != nil {
		r.told.Every = 0 // nothing will come
		return err
	}
	s.hear(svc, r)
	r.pinged = now()
	s.watchOver(svc, r)
	return nil
}

// askSiblings looks whether what makes a run ready has been said already: by its
// process before it was known to be a run, or to another supervisor.
func askSiblings(s *Supervisor, svc *service, gen int, r *run) {
	said := r.told.Ready
	for _, sibling := range svc.runs {
		said = said || sibling != r && sibling.born == r.born && sibling.told.ReadyBy == r.pid && r.pid != 0
	}
	if said {
		s.due.add(now(), nil, func() { s.proven(svc, gen, r) }) // not within what asks
	}
}

// hear takes what is said on a run's socket, now that its process is known.
func (s *Supervisor) hear(svc *service, r *run) {
	v := svc.voices[r.born]
	if v == nil || v.heard {
		return
	}
	v.heard = true
	go s.listenTo(svc, r.born, v)
}

// hush closes a socket, if no run is left that was born with it.
func (s *Supervisor) hush(svc *service, born int) {
	v := svc.voices[born]
	if v == nil {
		return
	}
	for _, r := range svc.runs {
		if r.born == born {
			return
		}
	}
	delete(svc.voices, born)
	v.sock.Close()
	s.guardian.Unhold(voiceName(svc, born))
	v.kept.Close()
}

// notified does what a run has said of itself.
func (s *Supervisor) notified(svc *service, gen int, r *run, m notify.Message, by int) {
	if r.over || svc.runs[gen] != r {
		return
	}
	before := r.told
	if m.HasStatus {
		r.told.Text = m.Status
	}
	if m.HasEvery {
		r.told.Every = m.Every
	}
	switch m.State {
	case notify.Ready:
		r.told.Ready, r.told.ReadyBy, r.told.Reloading = true, by, false
	case notify.Reloading:
		r.told.Reloading, r.told.Answered = true, saidAt(m)
	case notify.Stopping:
		r.told.Stopping, r.told.Reloading = true, false
	}
	if r.told != before {
		s.mark(svc)
		svc.tell()
		if before.Text = r.told.Text; r.told != before { // else it can be lost
			s.save(svc)
		}
	}
	if m.MainPid != 0 && m.MainPid != r.pid {
		s.toldMainPid(svc, gen, r, m.MainPid, by)
	}
	if m.Extend > 0 {
		s.step(svc, lifecycle.Extend{Gen: gen, Until: now().Add(m.Extend)})
	}
	if m.State == notify.Ready && notifies(r.def) {
		s.proven(svc, gen, r)
	}
	s.toldWatchdog(svc, r, m)
}

// toldMainPid takes in which process a run says is its main process: the one that
// says so, which was found to be its own, or another one of it.
func (s *Supervisor) toldMainPid(svc *service, gen int, r *run, pid, by int) {
	line, err := notify.Sender{Pid: pid}.Line()
	if g, is := svc.speaker(line); err != nil || pid != by && (is != r || g != gen) {
		v, t := svc.voices[r.born], now()
		if v == nil || !v.misled.IsZero() && t.Sub(v.misled) < strangersTold {
			return
		}
		v.misled = t
		s.event(status.Event{Service: svc.name, Kind: "notify", Text: fmt.Sprintf("it names %d as its main process, which is none of its own", pid), Pid: pid})
		return
	}
	s.rehome(svc, gen, line[0])
}

// saidAt is when a message was sent, on the deadlines' clock: when it has come, unless
// it tells.
func saidAt(m notify.Message) time.Time {
	var t unix.Timespec
	if m.Monotonic == 0 || unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) != nil {
		return now()
	}
	return now().Add(-max(0, time.Duration(t.Nano())-m.Monotonic))
}

// stillReloading is what a service says of a reload that it has not done; "" if
// nothing. One that answers a reload (notify-reload) has to say that it has begun: the
// READY=1 that follows is no other's then.
func (svc *service) stillReloading() string {
	live, rl := svc.state.Live(), svc.state.Reload
	if live == nil || svc.runs[live.Gen] == nil {
		return ""
	}
	switch r := svc.runs[live.Gen]; {
	case r.told.Reloading:
		return "says that it is still reloading"
	case rl != nil && r.def.Type == definition.NotifyReload && r.told.Answered.Before(rl.Sent):
		return "has not said RELOADING=1"
	}
	return ""
}

// statusText is what the run that serves says of itself.
func (svc *service) statusText() string {
	live := svc.state.Live()
	if live == nil || svc.runs[live.Gen] == nil {
		return ""
	}
	t := svc.runs[live.Gen].told
	if t.Text == "" && t.Stopping {
		return "stopping"
	}
	return t.Text
}
