package supervise

import (
	"path/filepath"
	"slices"

	"gsv/supervise/lifecycle"
	"gsv/supervise/logs"
)

func (s *Supervisor) partsDir() string { return filepath.Join(s.opts.RunDir, "log") }

// salvage writes what an earlier log pump left on disk of those runs of a service
// before run next that are gone; it comes before anything of next. It returns those of
// which the state has not heard that they were started: that is known by what they
// wrote. Started anew, one would go on with the line of the other.
func (s *Supervisor) salvage(svc *service, found *findings, next int) (gone []lifecycle.Found) {
	for _, key := range found.left {
		if key.Name != svc.name || key.Gen >= next || found.has(key.Name, key.Gen) || found.salvaged[key] {
			continue
		}
		sink := svc.out
		if key.Err && svc.err != nil {
			sink = svc.err
		}
		if err := s.pump.Salvage(key, sink); err != nil {
			s.say(err.Error())
		}
		found.salvaged[key] = true // soon
		unheard := key.Gen > svc.state.Gen || slices.ContainsFunc(svc.state.Runs, func(r lifecycle.Run) bool { return r.Gen == key.Gen && !r.Born })
		if n := len(gone); unheard && (n == 0 || gone[n-1].Gen != key.Gen) {
			exit := lifecycle.Exit{Unknown: true, At: now()}
			gone = append(gone, lifecycle.Found{Gen: key.Gen, Since: now(), Ended: &lifecycle.Ended{Gen: key.Gen, Exit: exit, Jitter: jitter()}})
		}
	}
	return gone
}

// tidy removes what an earlier log pump left of services that nobody knows.
func (s *Supervisor) tidy(found *findings) {
	err := logs.Tidy(s.partsDir(), func(key logs.Key) bool {
		svc := s.services[key.Name]
		return svc != nil && (svc.def == nil || svc.runs[key.Gen] != nil || found.salvaged[key])
	})
	if err != nil {
		s.say(err.Error())
	}
}
