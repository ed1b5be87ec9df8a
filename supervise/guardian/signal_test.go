package guardian

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"gsv/supervise/spawn"
)

func TestTold(t *testing.T) {
	s := play(t, []string{"TEST_AGAIN=1ms"}, "told")
	s.expect("ready 0")
	s.signal(unix.SIGSEGV) // nobody's business
	s.signal(unix.SIGHUP)
	s.expect("hangup")
	s.expect("hangup again")
	s.signal(unix.SIGTERM)
	s.expect("terminated")
	s.end(0)
}

func sceneTold(s *scene) {
	if s.deaths == 0 {
		fmt.Println("ready 0")
		if e := want[Told](s); e.Signal == unix.SIGHUP {
			fmt.Println("hangup")
		}
		s.die()
	}
	e := want[Told](s)
	if e.Signal == unix.SIGHUP {
		fmt.Println("hangup again")
	}
	s.AckTold(e.Seq)
	e = want[Told](s)
	fmt.Println(e.Signal)
	s.AckTold(e.Seq)
	s.Exit(0)
}

// A second TERM ends everything, whatever the supervisor does.
func TestSecondTerm(t *testing.T) {
	s := play(t, nil, "second")
	pids := [3]int{}
	for i := range pids {
		if _, err := fmt.Sscan(s.line(), &pids[i]); err != nil {
			t.Fatal(err)
		}
	}
	s.signal(unix.SIGTERM)
	s.expect("terminated")
	s.signal(unix.SIGINT)
	s.end(0)
	for _, pid := range pids {
		if err := unix.Kill(pid, 0); err != unix.ESRCH {
			t.Errorf("process %d is still there: %v", pid, err)
		}
	}
}

func sceneSecond(s *scene) {
	in, w := held(s)
	defer w.Close()
	s.Start("web", 1, sh(`trap "" TERM INT; echo $$; cat <&3 & echo $!; wait`), append(std(), in), nil)
	want[Started](s)
	fmt.Println(os.Getpid())
	want[Told](s)
	fmt.Println("terminated")
	select {}
}

func TestForward(t *testing.T) {
	s := play(t, []string{"TEST_FORWARD=1"}, "forward")
	s.expect("ready")
	s.signal(unix.SIGTERM)
	s.expect("1")
	s.signal(unix.SIGTERM)
	s.expect("2")
	s.signal(unix.SIGINT)
	s.expect("3")
	s.end(0)
}

func sceneForward(s *scene) {
	fmt.Println("ready")
	for range 3 {
		fmt.Println(want[Told](s).Seq)
	}
	s.Exit(0)
}

func TestMuteSupervisorIsKilled(t *testing.T) {
	s := play(t, []string{"TEST_AGAIN=1ms", "TEST_ACK=300ms"}, "mute")
	s.end(0)
	if n := strings.Count(s.err.String(), "gsv: supervisor does not answer, killing it\n"); n < 1 { // more often if they are slow to start
		t.Errorf("it was not said:\n%s", s.err.String())
	}
}

func sceneMute(s *scene) {
	if len(s.list) == 0 {
		s.Start("web", 1, sh("exit 0"), std(), nil)
		select {}
	}
	want[Ended](s)
	s.Ack("web", 1)
	s.Exit(0)
}

func TestGarbageKillsOnlyItsSupervisor(t *testing.T) {
	play(t, []string{"TEST_AGAIN=1ms"}, "garbage").end(0)
}

func sceneGarbage(s *scene) {
	pid := 0
	if len(s.list) == 1 {
		pid = s.list[0].Pid
	}
	bad := [][]byte{{}, {0}, make([]byte, headerSize), make([]byte, maxMessage+100), (&message{kind: kindLast, body: []byte("x")}).append(nil)}
	if s.deaths < len(bad) {
		if s.deaths == 0 {
			s.Start("web", 1, &spawn.Spec{Argv: []string{"sleep", "1000"}}, std(), nil)
			want[Started](s)
		} else if pid == 0 {
			s.fail("%+v, want web to run on", s.list)
		}
		_ = s.socket.send(bad[s.deaths], nil)
		select {} // for the blow
	}
	s.Signal(1, "web", 1, unix.SIGKILL, true)
	want[Signalled](s)
	if e := want[Ended](s); e.Pid != pid || e.Status != syscall.WaitStatus(unix.SIGKILL) {
		s.fail("%+v, want %d killed", e, pid)
	}
	// Specifications that cannot be read, and what nobody knows, disturb nothing.
	for i, m := range []message{
		{kind: kindStart, key: "bad", n: 1, body: []byte("no spec")},
		{kind: kindStart, key: "bad", n: 2, flags: flagSpecFile},
		{kind: kindAdopt, key: "bad", n: 3, pid: 1},
		{kind: kindAdopt, key: "bad", n: 4, pid: 1 << 30},
	} {
		if err := s.socket.send(m.append(nil), nil); err != nil {
			s.fail("%v", err)
		}
		if e := want[Ended](s); e.Key != "bad" || e.N != uint64(i+1) || e.Failure == nil && !e.Unknown {
			s.fail("%+v, want failure %d", e, i)
		}
	}
	s.Ack("nobody", 1)
	s.Release("nobody", 1)
	s.AckTold(99)
	s.Signal(2, "web", 1, 1000, false)
	want[Signalled](s)
	s.flush()
	s.Exit(0)
}

// Children of a supervisor that ends without a word go on; one that asked for the exit ends all but these.
func TestExitWaitsForTheSupervisor(t *testing.T) { play(t, nil, "noexit").end(77) }

func sceneNoExit(s *scene) {
	if s.deaths == 0 {
		os.Exit(0)
	}
	s.Exit(77)
}

// A signal never waits behind the starts: the run it is for goes first.
func TestSignalOvertakesStarts(t *testing.T) { play(t, nil, "crowd").end(0) }

func sceneCrowd(s *scene) {
	const crowd = 300
	for n := range uint64(crowd) {
		s.Start("web", n, &spawn.Spec{Argv: []string{"sleep", "1000"}}, std(), nil)
	}
	s.Signal(1, "web", crowd-1, unix.SIGKILL, true)
	started, ended, signalledAt := 0, 0, 0
	for ended < crowd {
		switch e := s.next().(type) {
		case Started:
			if started++; started == crowd {
				for n := range uint64(crowd) {
					s.Signal(2, "web", n, unix.SIGKILL, n%2 == 0)
				}
			}
		case Ended:
			if e.Status != syscall.WaitStatus(unix.SIGKILL) {
				s.fail("%+v, want KILL", e)
			}
			s.Ack(e.Key, e.N)
			ended++
		case Signalled:
			if e.Token == 1 {
				signalledAt = started
				if e.Errno != 0 {
					s.fail("%+v, want it signalled", e)
				}
			}
		}
	}
	if signalledAt > 4*maxStarts {
		s.fail("signalled after %d starts only", signalledAt)
	}
	s.Exit(0)
}

// Ends in the first microsecond, and kills before the program is executed, are told with their start.
func TestFastEnds(t *testing.T) { play(t, nil, "fast").end(0) }

func sceneFast(s *scene) {
	const runs = 500
	killed := map[uint64]bool{}
	for n := range uint64(runs) {
		switch n % 3 {
		case 0:
			s.Start("web", n, &spawn.Spec{Argv: []string{"/no/such"}}, std(), nil)
		case 1:
			s.Start("web", n, &spawn.Spec{Argv: []string{"sleep", "1000"}}, std(), nil)
			s.Signal(n, "web", n, unix.SIGKILL, true)
			killed[n] = true
		case 2:
			s.Start("web", n, sh("exit $1", fmt.Sprint(n%100)), std(), nil)
		}
	}
	started := map[uint64]int{}
	for ended := 0; ended < runs; {
		switch e := s.next().(type) {
		case Started:
			if started[e.N] != 0 {
				s.fail("%d started twice", e.N)
			}
			started[e.N] = e.Pid
		case Signalled:
			if e.Errno != 0 {
				s.fail("%+v, want it signalled", e)
			}
		case Ended:
			ended++
			if started[e.N] != e.Pid || e.Pid == 0 || e.Left {
				s.fail("%+v, but %d was started", e, started[e.N])
			}
			ok := false
			switch e.N % 3 {
			case 0:
				ok = e.Failure != nil && e.Failure.Errno == unix.ENOENT
			case 1:
				ok = e.Status == syscall.WaitStatus(unix.SIGKILL) && e.Failure == nil
			case 2:
				ok = e.Status == syscall.WaitStatus(e.N%100)<<8 && e.Failure == nil
			}
			if !ok {
				s.fail("%+v is not how %d should end", e, e.N%3)
			}
			s.Ack(e.Key, e.N)
		}
	}
	s.Exit(0)
}
