package supervise

import (
	"strings"
	"testing"
	"time"

	"gsv/supervise/spawn"
)

// Files that a check needs may be on a disk that hangs.
func TestHelperThatCannotBeBegunEnds(t *testing.T) {
	s := &Supervisor{reports: make(chan func()), done: make(chan struct{})}
	hang := make(chan struct{})
	var ends []string
	h := &helper{svc: &service{name: "web"}, op: "1a2f", what: "check-command", done: func(why string, _ []string) { ends = append(ends, why) }}
	s.help(h, time.Minute, func() (birth, error) {
		<-hang
		return birth{spec: &spawn.Spec{}}, nil
	})
	for _, do := range s.due.pop(now().Add(time.Hour), 16) {
		do()
	}
	close(hang)
	(<-s.reports)() // too late
	if len(ends) != 1 || !strings.Contains(ends[0], "within 1m") || len(s.helpers) != 0 {
		t.Errorf("it ended %d times: %q; %d helpers", len(ends), ends, len(s.helpers))
	}
}
