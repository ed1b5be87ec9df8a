package supervise

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"gsv/supervise/definition"
	"gsv/supervise/lifecycle"
	"gsv/supervise/status"
)

// A store keeps what a killed supervisor's successor must know, below the
// run-dir: one file to which records of services are appended, the last of each
// being the one that counts, and which is written anew when most of it is old.
// It is never synced, for it need not outlive the machine. A file for each
// service, replaced by rename, cost a millisecond each time where the run-dir is
// no tmpfs.
//
// A service is written before a signal that its state says was sent, before the
// end of an operation or of a run is acknowledged, and as soon as the loop gets to
// it when a run has got its process; all else within flushDelay. What is lost then
// is told again by the guardian or, once that is killed too, found by the pipe that
// was made for a start, of which there is a line before.
type store struct {
	dir     string     // the run-dir
	file    *os.File   // records; nil until open
	size    int64      // of file, in bytes
	base    int64      // of file when it was last written anew
	line    []byte     // used again and again
	dirty   []*service // whose records are old
	pipes   unborn     // that open has found
	flushAt time.Time  // when they are written; zero: none is
	whole   bool       // every service has been written once
}

const (
	flushDelay = 100 * time.Millisecond
	flushBatch = 32 // services written before the loop looks at something else
	storeRetry = 5 * time.Second
	compactMin = 1 << 20 // bytes below which old records do not matter
)

// about is the file about gsv as a whole.
type about struct {
	BootID        string    `json:"boot_id"`
	GuardianPid   int       `json:"guardian_pid"`
	GuardianStart uint64    `json:"guardian_start"`
	Started       time.Time `json:"started"` // the guardian, on the deadlines' clock
	Whole         bool      `json:"whole"`   // every service has a file: no need to read service files again
	Ending        bool      `json:"ending"`
	Status        int       `json:"status"`             // with which gsv ends
	Settings      *source   `json:"settings,omitempty"` // that hold; nil: none do
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
	Mark       int64              `json:"mark,omitempty"`       // where in its log the last reload began
	Image      string             `json:"image,omitempty"`      // of its main process then
	Surveyed   string             `json:"surveyed,omitempty"`   // the release that it was to load
	Sockets    map[string]uint64  `json:"sockets,omitempty"`    // inodes of those that are held, by their addresses
	Overflowed int64              `json:"overflowed,omitempty"` // see service
	Operations []status.Operation `json:"operations,omitempty"`
	Watch      *watchRecord       `json:"watch,omitempty"`
	Pipes      map[int]uint64     `json:"pipes,omitempty"` // see unborn
}

type source struct {
	Path string `json:"path"`
	Text string `json:"text"`
}

type runRecord struct {
	Pid     int    `json:"pid"`
	Start   uint64 `json:"start"`
	Release string `json:"release,omitempty"` // that its code was loaded from
	N       uint64 `json:"n,omitempty"`       // see run; 0: its gen
	Born    int    `json:"born,omitempty"`    // see run; 0: its gen
	Private string `json:"private,omitempty"`
	Next    bool   `json:"next,omitempty"` // it was started by the next definition
	Told    told   `json:"told,omitzero"`
	Forked  bool   `json:"forked,omitempty"` // see run
}

// entry is a line of the file of records: a record, or a pipe that was made for a
// start that may follow.
type entry struct {
	Name   string  `json:"name"`
	Record *record `json:"record,omitempty"` // nil: the service is gone
	Gen    int     `json:"gen,omitempty"`
	Pipe   uint64  `json:"pipe,omitempty"` // its inode; 0: it is a record
}

func (st *store) recordsFile() string { return filepath.Join(st.dir, "state", "records") }

func (st *store) aboutFile() string { return filepath.Join(st.dir, "state", "gsv") }

// open reads the records that are there and gets ready to append. What follows
// the last whole line is of a write that was cut off by the writer's death.
func (st *store) open() (map[string]record, error) {
	file, err := os.OpenFile(st.recordsFile(), os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot keep state: %w", err)
	}
	text, err := io.ReadAll(file)
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("cannot read state: %w", err)
	}
	text = text[:bytes.LastIndexByte(text, '\n')+1]
	st.file, st.size, st.base = file, int64(len(text)), int64(len(text))
	records := map[string]record{}
	st.pipes = unborn{}
	var bad error
	for line := range bytes.Lines(text) {
		var e entry
		if err := json.Unmarshal(line, &e); err != nil {
			bad = fmt.Errorf("cannot read state: %w", err)
			continue
		}
		switch {
		case e.Pipe != 0:
			st.pipes.add(e.Name, e.Gen, e.Pipe)
		case e.Record == nil:
			delete(records, e.Name)
			delete(st.pipes, e.Name)
		default:
			records[e.Name], st.pipes[e.Name] = *e.Record, e.Record.Pipes
		}
	}
	return records, bad
}

// put appends a record; nil says that the service is gone.
func (st *store) put(name string, r *record) error { return st.append(entry{Name: name, Record: r}) }

func (st *store) append(e entry) error {
	text, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("cannot keep state: %w", err)
	}
	st.line = append(append(st.line[:0], text...), '\n')
	if n, err := st.file.WriteAt(st.line, st.size); err != nil {
		if n > 0 {
			st.file.Truncate(st.size)
		}
		return fmt.Errorf("cannot keep state: %w", err)
	}
	st.size += int64(len(st.line))
	return nil
}

// old reports whether the file is worth writing anew.
func (st *store) old() bool { return st.size > compactMin && st.size > 4*st.base }

// replace writes the file anew with these records alone.
func (st *store) replace(records map[string]record) error {
	var text []byte
	for name, r := range records {
		line, err := json.Marshal(entry{Name: name, Record: &r})
		if err != nil {
			return fmt.Errorf("cannot keep state: %w", err)
		}
		text = append(append(text, line...), '\n')
	}
	tmp := st.recordsFile() + ".tmp"
	file, err := os.OpenFile(tmp, os.O_RDWR|os.O_CREATE|os.O_TRUNC|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return fmt.Errorf("cannot keep state: %w", err)
	}
	_, err = file.Write(text)
	if err == nil {
		err = os.Rename(tmp, st.recordsFile())
	}
	if err != nil {
		file.Close()
		return fmt.Errorf("cannot keep state: %w", err)
	}
	st.file.Close()
	st.file, st.size, st.base = file, int64(len(text)), int64(len(text))
	return nil
}

func (st *store) writeAbout(a about) error {
	text, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("cannot keep state: %w", err)
	}
	tmp := st.aboutFile() + ".tmp"
	if err := os.WriteFile(tmp, text, 0o600); err != nil {
		return fmt.Errorf("cannot keep state: %w", err)
	}
	if err := os.Rename(tmp, st.aboutFile()); err != nil {
		return fmt.Errorf("cannot keep state: %w", err)
	}
	return nil
}

func (st *store) readAbout() (a about, err error) {
	text, err := os.ReadFile(st.aboutFile())
	if errors.Is(err, fs.ErrNotExist) {
		return a, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &a)
	}
	if err != nil {
		err = fmt.Errorf("cannot read state: %w", err)
	}
	return a, err
}

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

// clear removes the state of services, at an orderly end. The file about gsv
// stays, for this supervisor may be killed before the guardian knows that gsv is
// to end: the next one reads there that all is done. To another gsv it says nothing.
func (st *store) clear() {
	os.Remove(st.recordsFile())
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

// markNow is mark for what must not wait for flushDelay.
func (s *Supervisor) markNow(svc *service) {
	s.mark(svc)
	s.store.flushAt = now()
}

// save writes a service's file if it is old, but for an orderly end: all of it
// is one line in the file about gsv then.
func (s *Supervisor) save(svc *service) {
	if !svc.dirty || s.end != nil {
		return
	}
	svc.dirty = false
	r := s.recordOf(svc)
	if err := s.store.put(svc.name, &r); err != nil {
		s.say(svc.name + ": " + err.Error())
		// The ends it would tell stay unacknowledged: the guardian keeps them.
		s.due.add(now().Add(storeRetry), nil, func() { s.mark(svc) })
		return
	}
	s.acknowledge(svc)
}

func (s *Supervisor) acknowledge(svc *service) {
	for _, n := range svc.acks {
		s.guardian.Ack(svc.name, n)
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
	if st.old() {
		s.compact()
	}
	if !st.whole {
		st.whole = true
		s.saveAbout()
	}
}

func (s *Supervisor) compact() {
	records := map[string]record{}
	for name, svc := range s.services {
		records[name] = s.recordOf(svc)
	}
	if err := s.store.replace(records); err != nil {
		s.say(err.Error())
	}
}

func (s *Supervisor) saveAbout() {
	hello := s.guardian.Hello()
	a := about{BootID: s.bootID, GuardianPid: hello.Pid, GuardianStart: hello.StartTime, Started: s.started, Whole: s.store.whole, Settings: s.keptSettings()}
	if s.end != nil {
		a.Ending, a.Status = true, s.end.status
	}
	if err := s.store.writeAbout(a); err != nil {
		s.say(err.Error())
	}
}

func (s *Supervisor) recordOf(svc *service) record {
	r := record{LastReload: svc.lastReload, Mark: svc.mark, Image: svc.image, Surveyed: svc.surveyed, Overflowed: svc.overflowed, Bad: svc.bad, Gone: svc.gone, State: svc.state, Since: svc.since, Runs: map[int]runRecord{}}
	if svc.def != nil {
		r.Definition = &source{svc.def.Path, string(svc.def.Source)}
	}
	if svc.next != nil {
		r.Next = &source{svc.next.Path, string(svc.next.Source)}
	}
	for gen, run := range svc.runs {
		r.Runs[gen] = run.record(gen, svc.next)
	}
	for address, sock := range svc.sockets {
		if r.Sockets == nil {
			r.Sockets = map[string]uint64{}
		}
		r.Sockets[address] = sock.Inode()
	}
	r.Pipes = svc.unborn()
	r.Operations = s.ops.of(svc)
	r.Watch = svc.watch.record()
	return r
}

func (r *run) record(gen int, next *definition.Definition) runRecord {
	rec := runRecord{Pid: r.pid, Start: r.start, Release: r.origin.known(), Private: r.private, Next: next != nil && r.def == next, Told: r.told, Forked: r.forked}
	if r.n != uint64(gen) {
		rec.N = r.n
	}
	if r.born != gen {
		rec.Born = r.born
	}
	return rec
}

// number is the one by which the guardian knows the main process of run gen.
func (r runRecord) number(gen int) uint64 {
	if r.N != 0 {
		return r.N
	}
	return uint64(gen)
}
