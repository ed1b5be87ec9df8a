package supervise

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gsv/supervise/lifecycle"
	"gsv/supervise/status"
)

// A store keeps what a killed supervisor's successor must know, below the
// run-dir: a file a service, replaced by rename and never synced, for it need
// not outlive the machine.
//
// A service is written before a signal that its state says was sent, and
// before the end of an operation or of a run is acknowledged; all else within
// flushDelay. What is lost then is told again by the guardian.
type store struct {
	dir     string     // the run-dir
	dirty   []*service // whose files are old
	flushAt time.Time  // when they are written; zero: none is
	whole   bool       // every service has been written once
}

const (
	flushDelay = 100 * time.Millisecond
	flushBatch = 32 // services written before the loop looks at something else
)

// about is the file about gsv as a whole.
type about struct {
	BootID        string    `json:"boot_id"`
	GuardianPid   int       `json:"guardian_pid"`
	GuardianStart uint64    `json:"guardian_start"`
	Started       time.Time `json:"started"` // the guardian, on the deadlines' clock
	Whole         bool      `json:"whole"`   // every service has a file: no need to read service files again
	Ending        bool      `json:"ending"`
	Status        int       `json:"status"` // with which gsv ends
}

// record is the file of one service.
type record struct {
	Definition *source            `json:"definition,omitempty"`
	Next       *source            `json:"next,omitempty"`
	Bad        string             `json:"bad,omitempty"`
	Gone       bool               `json:"gone,omitempty"`
	State      lifecycle.State    `json:"state"`
	Since      time.Time          `json:"since"`
	Runs       map[int]runRecord  `json:"runs,omitempty"`
	LastReload *status.Reload     `json:"last_reload,omitempty"`
	Operations []status.Operation `json:"operations,omitempty"`
}

type source struct {
	Path string `json:"path"`
	Text string `json:"text"`
}

type runRecord struct {
	Pid   int    `json:"pid"`
	Start uint64 `json:"start"`
}

func (st *store) file(name string) string { return filepath.Join(st.dir, "state", name+".json") }

// The name is none that a service can have.
func (st *store) aboutFile() string { return filepath.Join(st.dir, "state", "_gsv.json") }

func (st *store) write(path string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("cannot keep state: %w", err)
	}
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, text, 0o600); err != nil {
		return fmt.Errorf("cannot keep state: %w", err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("cannot keep state: %w", err)
	}
	return nil
}

func (st *store) read(path string, v any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, v); err != nil {
		return fmt.Errorf("cannot read state %s: %w", path, err)
	}
	return nil
}

// names are the services that have a file.
func (st *store) names() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(st.dir, "state"))
	if err != nil {
		return nil, fmt.Errorf("cannot read state: %w", err)
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".json"); ok && name != "_gsv" {
			names = append(names, name)
		}
	}
	return names, nil
}

func (st *store) remove(name string) { os.Remove(st.file(name)) }

// setAside renames all state, so that the next supervisor begins without it.
func (st *store) setAside() (string, error) {
	from, to := filepath.Join(st.dir, "state"), filepath.Join(st.dir, "state.bad")
	if err := os.RemoveAll(to); err != nil {
		return to, err
	}
	if err := os.Rename(from, to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return to, err
	}
	return to, nil
}

// clear removes all state, at an orderly end.
func (st *store) clear() {
	os.RemoveAll(filepath.Join(st.dir, "state"))
	os.RemoveAll(filepath.Join(st.dir, "log"))
}

// mark notes that a service's file is old.
func (s *Supervisor) mark(svc *service) {
	if svc.dirty {
		return
	}
	svc.dirty = true
	s.store.dirty = append(s.store.dirty, svc)
	if s.store.flushAt.IsZero() {
		s.store.flushAt = now().Add(flushDelay)
	}
}

// save writes a service's file if it is old, but for an orderly end: all of it
// is one line in the file about gsv then.
func (s *Supervisor) save(svc *service) {
	if !svc.dirty || s.end != nil {
		return
	}
	svc.dirty = false
	if err := s.store.write(s.store.file(svc.name), s.recordOf(svc)); err != nil {
		s.say(svc.name + ": " + err.Error())
	}
	s.acknowledge(svc)
}

func (s *Supervisor) acknowledge(svc *service) {
	for _, gen := range svc.acks {
		s.guardian.Ack(svc.name, uint64(gen))
	}
	svc.acks = nil
}

// flush writes old files, a batch at a time.
func (s *Supervisor) flush() {
	st := &s.store
	n := min(flushBatch, len(st.dirty))
	for _, svc := range st.dirty[:n] {
		if s.services[svc.name] != svc {
			s.acknowledge(svc)
			continue
		}
		s.save(svc)
		if s.end != nil {
			svc.dirty = false
			s.acknowledge(svc)
		}
	}
	st.dirty = st.dirty[n:]
	st.flushAt = now()
	if len(st.dirty) > 0 {
		return
	}
	st.dirty, st.flushAt = nil, time.Time{}
	if !st.whole {
		st.whole = true
		s.saveAbout()
	}
}

func (s *Supervisor) saveAbout() {
	hello := s.guardian.Hello()
	a := about{BootID: s.bootID, GuardianPid: hello.Pid, GuardianStart: hello.StartTime, Started: s.started, Whole: s.store.whole}
	if s.end != nil {
		a.Ending, a.Status = true, s.end.status
	}
	if err := s.store.write(s.store.aboutFile(), a); err != nil {
		s.say(err.Error())
	}
}

func (s *Supervisor) recordOf(svc *service) record {
	r := record{LastReload: svc.lastReload, Bad: svc.bad, Gone: svc.gone, State: svc.state, Since: svc.since, Runs: map[int]runRecord{}}
	if svc.def != nil {
		r.Definition = &source{svc.def.Path, string(svc.def.Source)}
	}
	if svc.next != nil {
		r.Next = &source{svc.next.Path, string(svc.next.Source)}
	}
	for gen, run := range svc.runs {
		r.Runs[gen] = runRecord{run.pid, run.start}
	}
	r.Operations = s.ops.of(svc)
	return r
}
