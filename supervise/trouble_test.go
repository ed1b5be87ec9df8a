package supervise

import (
	"errors"
	"testing"

	"gsv/supervise/logs"
)

// A log can be in two troubles, and neither hides the end of the other.
func TestTrouble(t *testing.T) {
	full, slow := errors.New("disk full"), errors.New("read slowly")
	var tr trouble
	for i, step := range []struct {
		p          logs.Problem
		text, then string
	}{
		{logs.Problem{Waits: true, Err: slow}, "read slowly", "read slowly"},
		{logs.Problem{Err: full}, "output is dropped: disk full", "output is dropped: disk full"},
		{logs.Problem{Waits: true}, "output does not wait any more; none is lost", "output is dropped: disk full"},
		{logs.Problem{Waits: true, Err: slow}, "read slowly", "output is dropped: disk full"},
		{logs.Problem{Dropped: 7}, "output is written again; 7 bytes were dropped", "read slowly"},
		{logs.Problem{Waits: true}, "output does not wait any more; none is lost", ""},
	} {
		if text := tr.take(step.p); text != step.text || tr.String() != step.then {
			t.Errorf("%d: %q, then %q; want %q, then %q", i, text, tr.String(), step.text, step.then)
		}
	}
}
