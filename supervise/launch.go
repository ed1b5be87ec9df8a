package supervise

import (
	"fmt"
	"maps"
	"os"
	"strings"

	"gsv/supervise/definition"
	"gsv/supervise/guardian"
	"gsv/supervise/lifecycle"
	"gsv/supervise/listen"
	"gsv/supervise/logs"
	"gsv/supervise/spawn"
)

// A birth is all that a run is started with.
type birth struct {
	spec    *spawn.Spec
	uid     int                       // who owns its output pipe; -1: gsv's user
	bound   map[string]*listen.Socket // by their addresses: made for it, and not yet held
	lost    map[string]*listen.Socket // that are held, and of no use: others are bound in their place
	private private
}

// maxLaunching bounds the starts that the guardian has not answered, and with
// them the files that are open for them: ten thousand services are one boot.
const maxLaunching = 32

// launch has the guardian start run gen, now or when its turn comes.
func (s *Supervisor) launch(svc *service, gen int) {
	d := svc.def
	if svc.next != nil {
		d = svc.next
		if !svc.trying(gen) { // of one that is tried, that is known when it serves
			s.use(svc, d)
		}
	}
	svc.toArm = 0
	svc.runs[gen] = &run{def: d, n: uint64(gen), born: gen}
	if s.startedAhead(svc, gen) {
		return
	}
	if !looksThingsUp(d) {
		s.inTurn(func() {
			b, err := s.prepare(d, gen)
			s.launchWith(svc, gen, b, err)
		})
		return
	}
	held, alone := maps.Clone(svc.sockets), len(svc.state.Runs) == 1
	go func() { // for a disk may hang
		if d.PidFile != "" && alone {
			removeStale(d)
		}
		b, err := s.prepare(d, gen)
		if err == nil {
			err = b.bind(d, gen, alone, held)
		}
		s.report(func() { s.inTurn(func() { s.launchWith(svc, gen, b, err) }) })
	}()
}

// inTurn does a launch, when the guardian has answered enough of those before.
func (s *Supervisor) inTurn(launch func()) {
	if s.launching >= maxLaunching {
		s.toLaunch = append(s.toLaunch, launch)
		return
	}
	launch()
}

// launched notes that a start has been answered.
func (s *Supervisor) launched(r *run) {
	if !r.counted {
		return
	}
	r.counted = false
	s.launching--
	for s.launching < maxLaunching && len(s.toLaunch) > 0 {
		next := s.toLaunch[0]
		s.toLaunch = s.toLaunch[1:]
		next()
	}
}

func (s *Supervisor) prepare(d *definition.Definition, gen int) (birth, error) {
	env, err := d.Environ(s.opts.Environ, gen)
	if err != nil {
		return birth{}, err
	}
	who, err := d.Credentials()
	if err != nil {
		return birth{}, err
	}
	b := birth{uid: -1, spec: &spawn.Spec{Argv: d.Command, Env: env, Path: valueOf(env, "PATH"), Dir: d.WorkingDirectory, Umask: d.Umask}}
	if who != nil {
		b.uid = int(who.UID)
		b.spec.Creds = &spawn.Credentials{UID: who.UID, GID: who.GID, Groups: who.Groups}
	}
	if d.Name == s.opts.Direct {
		b.spec.Session, b.spec.Foreground, b.spec.Umask = spawn.NewGroup, true, -1
	}
	return b, nil
}

func valueOf(env []string, name string) string {
	for i := len(env) - 1; i >= 0; i-- {
		if v, ok := strings.CutPrefix(env[i], name+"="); ok {
			return v
		}
	}
	return ""
}

// launchWith goes on with launch when everything has been read.
func (s *Supervisor) launchWith(svc *service, gen int, b birth, err error) {
	defer s.trimSockets(svc)
	defer b.drop()
	s.hold(svc, &b)
	r := svc.runs[gen]
	if r == nil {
		return
	}
	switch {
	case err != nil:
		err = s.whoHolds(svc, err)
	case !svc.starting(gen):
		err = fmt.Errorf("stopped before it was started")
	default:
		var files, keep []guardian.File
		if files, keep, err = s.output(svc, gen, b.uid); err == nil {
			r.private = b.private.address
			files, err = svc.socketFiles(r.def, &b, files)
		}
		if err == nil {
			files, keep, err = s.readyFiles(svc, gen, &b, files, keep)
		}
		if err == nil {
			r.launched, r.counted = true, true
			s.launching++
			s.noteOrigin(svc, r)
			if len(r.def.Listen) > 0 { // nobody else knows where it is to be asked
				s.mark(svc)
				s.save(svc)
			}
			s.guardian.Start(svc.name, r.n, b.spec, files, keep)
			s.watchReady(svc, gen, true)
			return
		}
		dropFiles(files, keep)
	}
	// Not now: what follows from it may be the next start.
	s.due.add(now(), nil, func() {
		delete(svc.runs, gen)
		s.step(svc, lifecycle.Ended{Gen: gen, Exit: lifecycle.Exit{Failure: err.Error()}, Jitter: jitter()})
		s.tellExit(svc, gen, r, false)
	})
}

// dropFiles closes the files that a start would have used up.
func dropFiles(lists ...[]guardian.File) {
	for _, list := range lists {
		for _, f := range list {
			if f.File != nil && !f.Shared {
				f.File.Close()
			}
		}
	}
}

// starting reports whether run gen is to be started still.
func (svc *service) starting(gen int) bool {
	for _, r := range svc.state.Runs {
		if r.Gen == gen {
			return r.Phase == lifecycle.Starting
		}
	}
	return false
}

// output makes the files that run gen gets as stdin, stdout and stderr, and
// those that the guardian keeps for it.
func (s *Supervisor) output(svc *service, gen, uid int) (files, keep []guardian.File, err error) {
	if svc.name == s.opts.Direct {
		shared := func(f *os.File) guardian.File { return guardian.File{File: f, Shared: true} }
		svc.runs[gen].drained = true
		return []guardian.File{shared(os.Stdin), shared(os.Stdout), shared(os.Stderr)}, nil, nil
	}
	d, r := svc.def, svc.runs[gen]
	if r != nil {
		d = r.def
	}
	null := guardian.File{File: s.null, Shared: true}
	if d.Log.Output == definition.Discard && forwardingOf(d.Log) == (forwarding{}) {
		r.drained = true
		return []guardian.File{null, null, null}, []guardian.File{null}, nil
	}
	key := logs.Key{Name: svc.name, Gen: gen}
	child, reader, ok := svc.takeSpare(gen)
	if !ok {
		if child, reader, err = s.pipe(key, uid, svc.out); err != nil {
			return nil, nil, err
		}
		s.willBear(key, child)
	}
	if r != nil {
		r.pipe = logs.Inode(child)
	}
	if !d.Log.Separate {
		return []guardian.File{null, {File: child}, {File: child, Shared: true}}, []guardian.File{{File: reader}}, nil
	}
	key.Err = true
	errChild, errReader, err := s.pipe(key, uid, svc.err)
	if err != nil {
		child.Close()
		reader.Close()
		return nil, nil, err
	}
	r.errOpen = true
	return []guardian.File{null, {File: child}, {File: errChild}}, []guardian.File{{File: reader}, {File: errReader}}, nil
}

// pipe makes one that is read into sink.
func (s *Supervisor) pipe(key logs.Key, uid int, sink logs.Sink) (child, reader *os.File, err error) {
	if child, reader, err = logs.Make(key, uid); err != nil {
		return nil, nil, err
	}
	if err := s.pump.Add(key, reader, sink); err != nil {
		child.Close()
		reader.Close()
		return nil, nil, err
	}
	return child, reader, nil
}

// drained is told by the pump that a run's output is complete.
func (s *Supervisor) drained(key logs.Key) {
	s.report(func() {
		svc := s.services[key.Name]
		if svc == nil || svc.runs[key.Gen] == nil {
			s.release(key)
			return
		}
		if key.Err {
			svc.runs[key.Gen].errOpen = false
		} else {
			svc.runs[key.Gen].drained = true
		}
		s.bury(svc, key.Gen)
	})
}

// bury forgets a run of which nothing is left, once its last words are in the log.
func (s *Supervisor) bury(svc *service, gen int) {
	r := svc.runs[gen]
	if r == nil || !r.drained || r.errOpen || !r.ended {
		return
	}
	for _, known := range svc.state.Runs {
		if known.Gen == gen {
			return
		}
	}
	delete(svc.runs, gen)
	s.hush(svc, r.born)
	s.isNoMain(r)
	s.release(logs.Key{Name: svc.name, Gen: gen})
	if r.n != uint64(gen) {
		s.guardian.Release(svc.name, r.n)
	}
}

// release lets the guardian close the files of a run that is over.
func (s *Supervisor) release(key logs.Key) { s.guardian.Release(key.Name, uint64(key.Gen)) }
