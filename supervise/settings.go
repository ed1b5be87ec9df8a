package supervise

import (
	"strings"

	"gsv/supervise/definition"
)

// What of gsv.toml holds is Supervisor.settings. A supervisor that is started again reads it from
// the run-dir, as it does service files: only a start of gsv and an apply read the file.

// readSettings reads gsv.toml at a start of gsv. A bad one keeps no service from being started.
func (s *Supervisor) readSettings() {
	if s.opts.Settings == nil {
		return
	}
	fresh, problems := s.opts.Settings()
	if len(problems) > 0 {
		s.say("settings:\n" + problems.String())
	}
	switch {
	case fresh != nil:
		s.useSettings(fresh)
	case s.settings.Path != "":
		s.say("the settings of before hold")
	default:
		s.say("no settings hold")
	}
}

// useSettings has settings hold from now on.
func (s *Supervisor) useSettings(fresh *definition.Settings) {
	s.settings = *fresh
	s.pump.Limit(fresh.LogMaxTotal)
}

// restoreSettings takes up the settings that held for an earlier supervisor.
func (s *Supervisor) restoreSettings(a about) {
	kept := a.Settings
	if kept == nil || a.BootID != s.bootID {
		return
	}
	if fresh, _ := definition.ParseSettings(kept.Path, []byte(kept.Text)); fresh != nil {
		s.useSettings(fresh)
	}
}

// keptSettings are for restoreSettings; nil: none hold.
func (s *Supervisor) keptSettings() *source {
	if s.settings.Path == "" {
		return nil
	}
	return &source{s.settings.Path, string(s.settings.Source)}
}

// freshSettings reads gsv.toml for an apply: nil if there is nothing new, or nothing that can be
// used. wrong is what is wrong with it, rendered; "" if nothing is.
func (s *Supervisor) freshSettings() (fresh *definition.Settings, wrong string) {
	if s.opts.Settings == nil {
		return nil, ""
	}
	fresh, problems := s.opts.Settings()
	if fresh == nil {
		wrong = problems.String() + problems[0].Path + ": the settings of before hold"
	}
	return fresh, wrong
}

// changeSettings has other settings hold, and makes that known.
func (s *Supervisor) changeSettings(fresh *definition.Settings, changed []string) {
	s.useSettings(fresh)
	s.saveAbout()
	if len(changed) > 0 {
		s.event(eventOf("", "definition", "settings changed: "+strings.Join(changed, ", ")))
	}
}
