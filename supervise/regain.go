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
		held, err = regain(p.Pid, outputs)
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
		f.Close()
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

// regain gets the outputs of a process back that only it has.
func regain(pid, outputs int) (held []*os.File, err error) {
	if outputs == 1 {
		reader, err := logs.Regain(pid)
		if err != nil {
			return nil, err
		}
		return []*os.File{reader}, nil
	}
	for _, isErr := range []bool{false, true} {
		reader, err := logs.RegainApart(pid, isErr)
		if err != nil {
			for _, f := range held {
				f.Close()
			}
			return nil, err
		}
		held = append(held, reader)
	}
	return held, nil
}
