package supervise

import (
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"gsv/supervise/definition"
	"gsv/supervise/logs"
)

// useLog gives a service the places where its output goes. A run goes on writing
// to those that it was started with.
func (s *Supervisor) useLog(svc *service, d *definition.Definition) {
	l := &d.Log
	before, _ := svc.out.(*logs.File)
	switch l.Output {
	case definition.Stdout:
		if p, is := svc.out.(*logs.Printer); is {
			p.SetFormat(formatOf(l))
		} else {
			p = s.stdout.As(formatOf(l))
			svc.out, svc.err = p, p.Stderr()
		}
	case definition.Discard:
		svc.out, svc.err = logs.Nowhere, logs.Nowhere
	case definition.File:
		path, p := s.logPath(svc.name, l), policyOfLog(l)
		file := s.logFile(path, p)
		svc.out, svc.err = file, nil
		if l.Separate {
			svc.err = s.logFile(errPath(path), p)
		}
		s.pump.Keep(svc.name, file)
	}
	if before != nil && svc.out != logs.Sink(before) {
		s.pump.Unkeep(before)
	}
}

// logPath is where a service's log is. A relative path counts from the log directory.
func (s *Supervisor) logPath(name string, l *definition.Log) string {
	switch {
	case l.Path == "":
		return filepath.Join(s.opts.LogDir, name+".log")
	case filepath.IsAbs(l.Path):
		return l.Path
	}
	return filepath.Join(s.opts.LogDir, l.Path)
}

// errPath is where the log of a standard error is that has one of its own.
func errPath(path string) string {
	stem, isLog := strings.CutSuffix(path, ".log")
	if isLog {
		return stem + ".err.log"
	}
	return path + ".err"
}

// logFile is the one File of a path: two would write over each other.
func (s *Supervisor) logFile(path string, p logs.Policy) *logs.File {
	f := s.files[path]
	if f == nil {
		f = logs.NewFileAt(path)
		if s.files == nil {
			s.files = map[string]*logs.File{}
		}
		s.files[path] = f
	}
	if s.policies == nil {
		s.policies = map[logs.Policy]*logs.Policy{}
	}
	if s.policies[p] == nil { // most services have the same
		s.policies[p] = &p
	}
	f.Share(s.policies[p])
	return f
}

func formatOf(l *definition.Log) logs.Format {
	switch l.Format {
	case definition.JSON:
		return logs.JSON
	case definition.Raw:
		return logs.Raw
	case definition.Prefix:
	}
	return logs.Prefix
}

func policyOfLog(l *definition.Log) logs.Policy {
	files := 1
	if l.Separate {
		files = 2
	}
	return logs.Policy{Files: files, MaxSize: l.MaxSize, Keep: l.Keep, MaxAge: l.MaxAge, MaxTotal: l.MaxTotal, Compress: l.Compress,
		Timestamp: l.Timestamp, Block: l.Block, Mode: uint32(l.Mode), Group: groupID(l.Group)}
}

// groupID is the number of a group, 0 where there is none such. That was warned of.
func groupID(name string) int {
	if name == "" {
		return 0
	}
	id, err := strconv.Atoi(name)
	if err != nil {
		if g, err := user.LookupGroup(name); err == nil {
			id, _ = strconv.Atoi(g.Gid)
		}
	}
	return id
}

// markLogs has what is written from now on told from what was written before.
func (svc *service) markLogs() {
	for _, sink := range []logs.Sink{svc.out, svc.err} {
		if f, ok := sink.(*logs.File); ok {
			f.Mark()
		}
	}
}
