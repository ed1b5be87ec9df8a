package supervise

import (
	"errors"
	"io/fs"
	"os"

	"gsv/supervise/definition"
	"gsv/supervise/guardian"
	"gsv/supervise/logs"
)

// listen goes on reading the output of a run of an earlier supervisor's. The
// guardian holds the reader; if that guardian was killed too, only the process
// itself has the pipe.
func (s *Supervisor) listen(svc *service, p guardian.Process) {
	key := logs.Key{Name: svc.name, Gen: genOfN(p.N)}
	var err error
	held := p.Held
	r := svc.runs[key.Gen]
	outputs := 1
	if r.def.Log.Separate {
		outputs = 2
	}
	if len(held) == 0 && !p.Ended && svc.name != s.opts.Direct {
		if held, err = regain(p.Pid, outputs); held[0] == nil {
			held, err = regainLeft(svc.name, key.Gen, r, p.Pid, held, err)
		}
		s.keepRegained(svc, p, held)
	}
	s.readyHeld(svc, key.Gen, held[min(outputs, len(held)):]) // before a line of it is read
	r.drained = true
	if svc.name != s.opts.Direct {
		errs := svc.err
		if errs == nil { // by another definition than that of the run
			errs = svc.out
		}
		for i, sink := range []logs.Sink{svc.out, errs}[:outputs] {
			var reader *os.File
			if i < len(held) {
				reader = held[i]
			}
			if e := s.readOn(svc, r, key, reader, sink, i > 0); e != nil {
				err = e
			}
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) && r.def.Log.Output != definition.Discard {
		s.say(svc.name + ": its output is not read any more: " + err.Error())
	}
	for _, f := range held {
		f.Close() // also of nil
	}
}

// keepRegained has the guardian hold the outputs of a process that it did not
// start, as it does those of others: else what is in them is lost when the process
// ends while there is no supervisor.
func (s *Supervisor) keepRegained(svc *service, p guardian.Process, held []*os.File) {
	var keep []guardian.File
	for _, f := range held {
		if f == nil { // their order says what they are
			break
		}
		keep = append(keep, guardian.File{File: f, Shared: true})
	}
	if len(keep) > 0 {
		s.guardian.Keep(svc.name, p.N, keep)
	}
}

// readOn goes on reading one output of a run. Without a reader there is only what
// an earlier log pump had taken from the pipe and not written yet.
func (s *Supervisor) readOn(svc *service, r *run, key logs.Key, reader *os.File, sink logs.Sink, isErr bool) error {
	key.Err = isErr
	var err error
	if reader == nil {
		err = s.pump.Salvage(key, sink)
	} else if info, e := reader.Stat(); e == nil && info.Mode()&fs.ModeNamedPipe == 0 {
		return nil // it was started with output = "none"
	} else {
		err = s.pump.Add(key, reader, sink)
	}
	if isErr {
		r.errOpen = err == nil
	} else {
		r.drained = err != nil
	}
	return err
}

// regainLeft is regain where the main process has ended, or closed its output, for
// one that has it still.
func regainLeft(name string, gen int, r *run, pid int, held []*os.File, err error) ([]*os.File, error) {
	for _, p := range leftBehind(name, gen, runRecord{Pid: pid, Born: r.born}) {
		if also, e := regain(p.Pid, len(held)); p.Pid != pid && also[0] != nil {
			for _, f := range held {
				f.Close()
			}
			return also, e
		}
	}
	return held, err
}

// regain gets the outputs of a process back that only it has; nil is one that it
// does not have any more.
func regain(pid, outputs int) (held []*os.File, err error) {
	if outputs == 1 {
		reader, err := logs.Regain(pid)
		return []*os.File{reader}, err
	}
	for _, isErr := range []bool{false, true} {
		reader, e := logs.RegainApart(pid, isErr)
		held = append(held, reader)
		if e != nil {
			err = e
		}
	}
	return held, err
}
