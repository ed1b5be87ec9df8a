package guardian

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// One that makes a group of its own after it was adopted leads that: what it leaves there is its.
func groupMadeLater(s *scene, key string) {
	in, end := held(s)
	wait, goes := held(s)
	says, w := held(s)
	stderr := std()[2]
	s.Start(key, 1, sh(`sh -c 'echo $$ >&4; read x <&5; exec setsid sh -c "sleep 1000 3<&- 4>&- & echo \$! >&4; exec 4>&-; read x; exit 9"' <&3 & exit 6`), []File{stderr, stderr, stderr, in, {File: w}, wait}, nil)
	first := want[Started](s)
	var pid, worker int
	if _, err := fmt.Fscanln(says, &pid); err != nil {
		s.fail("%v", err)
	}
	if e := s.ended(first, false); !e.Left {
		s.fail("%+v, want something left", e)
	}
	p := s.proc(pid)
	if p.Pgrp != first.Pid {
		s.fail("%+v, want it in group %d", p, first.Pid)
	}
	s.Adopt(key, 2, p.Pid, p.Start)
	want[Empty](s)
	adopted := want[Started](s)
	goes.Close()
	if _, err := fmt.Fscanln(says, &worker); err != nil {
		s.fail("%v", err)
	}
	says.Close()
	end.Close()
	if e := s.ended(adopted, false); !e.Left || e.Status != 9<<8 {
		s.fail("%+v, want its worker left", e)
	}
	ended := s.awaiting(worker)
	s.signalled(key, 2, unix.SIGKILL, 0)
	ended()
	if e := want[Empty](s); e.Key != key || e.N != 2 {
		s.fail("%+v, want run 2", e)
	}
}
