package guardian

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestHolds(t *testing.T) { play(t, []string{"TEST_AGAIN=1ms"}, "holds").end(0) }

// content is what the file that is held under a name says.
func (s *scene) content(name string) string {
	f := s.Held()[name]
	if f == nil {
		return "nothing"
	}
	b := make([]byte, 100)
	fd, err := number(f)
	if err != nil {
		s.fail("%v", err)
	}
	n, err := unix.Pread(fd, b, 0)
	if err != nil {
		s.fail("%v", err)
	}
	return strings.TrimSpace(string(b[:n]))
}

// hold holds a new file that says one character, and closes it.
func (s *scene) hold(name, what string) {
	f := full(s, what)[0]
	s.Hold(name, f.File)
	f.Close()
}

func sceneHolds(s *scene) {
	longest := strings.Repeat("n", maxKey)
	switch s.deaths {
	case 0:
		if len(s.Held()) != 0 {
			s.fail("%v, want nothing", s.Held())
		}
		s.Unhold("never was")
		s.hold("", "a")
		s.hold("web/http", "b")
		s.hold("web/http", "c")
		s.hold("gone", "d")
		s.Unhold("gone")
		s.hold(longest, "e")
		s.hold(longest+"n", "f") // and nothing happens
		s.Unhold(longest + "n")
		s.hold("closed", "g")
		closed := full(s, "h")[0].File
		closed.Close()
		s.Hold("closed", closed)
		s.hold("nil", "i")
		s.Hold("nil", nil)
		s.flush()
	case 1:
		for name, want := range map[string]string{"": "a", "web/http": "c", longest: "e"} {
			if got := s.content(name); got != want {
				s.fail("%q holds %s, want %s", name, got, want)
			}
		}
		if len(s.Held()) != 3 {
			s.fail("%v, want 3", s.Held())
		}
		for name, f := range s.Held() {
			f.Close()
			if name != "" {
				s.Unhold(name)
			}
		}
		s.flush()
	case 2:
		if len(s.Held()) != 1 || s.content("") != "a" {
			s.fail("%v, want one", s.Held())
		}
		s.Exit(0)
	}
	s.die()
}

// What is held is taken up again as it is: others use it.
func TestUnpolled(t *testing.T) {
	for _, flags := range []int{0, unix.SOCK_NONBLOCK} {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|flags, 0)
		if err != nil {
			t.Fatal(err)
		}
		other := os.NewFile(uintptr(fds[1]), "other")
		before := openFiles(&scene{Client: &Client{hello: Hello{Pid: os.Getpid()}}})
		f := unpolled(fds[0], "name")
		if f.Name() != "name" {
			t.Errorf("its name is %q", f.Name())
		}
		if after := openFiles(&scene{Client: &Client{hello: Hello{Pid: os.Getpid()}}}); after != before {
			t.Errorf("%d files open, %d before", after, before)
		}
		fd := int(f.Fd()) // leaves it alone: Go did not make it non-blocking
		if got, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); err != nil || got&unix.O_NONBLOCK != flags {
			t.Errorf("flags %#x, %v, want %#x", got, err, flags)
		}
		if got, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || got != unix.FD_CLOEXEC {
			t.Errorf("descriptor flags %#x, %v, want it closed on exec", got, err)
		}
		if _, err := other.Write([]byte("x")); err != nil {
			t.Error(err)
		}
		if n, err := unix.Read(fd, make([]byte, 2)); n != 1 || err != nil {
			t.Errorf("read %d, %v, want it to be the socket", n, err)
		}
		if polled(t, fd) {
			t.Errorf("Go's poller has it")
		}
		f.Close()
		other.Close()
	}
}

// polled reports whether an epoll of ours has fd.
func polled(t *testing.T, fd int) bool {
	t.Helper()
	list, err := filepath.Glob("/proc/self/fdinfo/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range list {
		b, _ := os.ReadFile(name) // may be gone: that of Glob
		for line := range strings.Lines(string(b)) {
			if f := strings.Fields(line); len(f) > 1 && f[0] == "tfd:" && f[1] == strconv.Itoa(fd) {
				return true
			}
		}
	}
	return false
}

func TestHeldListener(t *testing.T) { play(t, []string{"TEST_AGAIN=1ms"}, "heldlistener").end(0) }

// A connection that is made while there is no supervisor, nor anybody who accepts it, waits for the next.
func sceneHeldListener(s *scene) {
	if s.deaths == 0 {
		l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			s.fail("%v", err)
		}
		f, err := l.File()
		if err != nil {
			s.fail("%v", err)
		}
		s.Hold(l.Addr().String(), f)
		s.flush()
		s.die() // who has accepted it so far
	}
	for address, f := range s.Held() {
		c, err := net.Dial("tcp", address)
		if err != nil {
			s.fail("%v", err)
		}
		defer c.Close()
		l, err := net.FileListener(f)
		if err != nil {
			s.fail("%v", err)
		}
		accepted, err := l.Accept()
		if err != nil || accepted.RemoteAddr().String() != c.LocalAddr().String() {
			s.fail("%v, %v", accepted, err)
		}
	}
	if len(s.Held()) != 1 {
		s.fail("%v, want one", s.Held())
	}
	s.Exit(0)
}

// Holds keep their order with each other and with starts, whatever has to wait, and the files are the caller's to close at once.
func TestHoldsKeepTheirOrder(t *testing.T) { play(t, []string{"TEST_AGAIN=1ms"}, "heldorder").end(0) }

func sceneHeldOrder(s *scene) {
	const count = 2000
	guardian := s.Hello().Pid
	if s.deaths == 0 {
		if err := unix.Kill(guardian, unix.SIGSTOP); err != nil {
			s.fail("%v", err)
		}
		for n := range uint64(count) {
			name := strconv.FormatUint(n%500, 10)
			s.hold(name, string('a'+rune(n/500)))
			if n%3 == 0 {
				s.Unhold(name)
			}
			if n%100 == 99 {
				s.Start("web", n, sleeps, std(), nil)
			}
		}
		// What cannot be copied for want of descriptors is sent as long as it is open.
		open, closed := full(s, "y")[0].File, full(s, "z")[0].File
		var limit unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			s.fail("%v", err)
		}
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 0, Max: limit.Max}); err != nil {
			s.fail("%v", err)
		}
		s.Hold("open", open)
		s.Hold("closed", closed)
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			s.fail("%v", err)
		}
		closed.Close()
		s.Start("last", 1, sleeps, std(), nil)
		if err := unix.Kill(guardian, unix.SIGCONT); err != nil {
			s.fail("%v", err)
		}
		for last, told := false, false; !last || !told; {
			switch e := s.next().(type) {
			case Told: // of the CONT
				s.AckTold(e.Seq)
				told = true
			case Started:
				last = e.Key == "last"
			}
		}
		s.flush()
		s.die()
	}
	for n := range uint64(500) {
		name := strconv.FormatUint(n, 10)
		last := n + 1500
		want := string('a' + rune(last/500))
		if last%3 == 0 {
			want = "nothing"
		}
		if got := s.content(name); got != want {
			s.fail("%s holds %s, want %s", name, got, want)
		}
	}
	for name, want := range map[string]string{"open": "y", "closed": "nothing"} {
		if got := s.content(name); got != want {
			s.fail("%s holds %s, want %s", name, got, want)
		}
	}
	for _, p := range s.list {
		s.stop(Started{Key: p.Key, N: p.N, Pid: p.Pid})
	}
	s.Exit(0)
}

// A supervisor that has no descriptors for what is held gets what it has room for; the next one has everything.
func TestHeldIsNotLost(t *testing.T) {
	play(t, []string{"TEST_AGAIN=1ms", "TEST_DIR=" + t.TempDir()}, "heldfew").end(0)
}

const heldFew = 60

// earlyHeldFew leaves the supervisor but a few descriptors, if its predecessor wants that.
func earlyHeldFew() {
	if os.Remove(os.Getenv("TEST_DIR")+"/few") != nil {
		return
	}
	fd, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == nil {
		err = unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(fd) + 20, Max: 1000})
	}
	if err != nil {
		os.Exit(1)
	}
}

func sceneHeldFew(s *scene) {
	switch n := len(s.Held()); s.deaths {
	case 0:
		for n := range heldFew {
			s.hold(strconv.Itoa(n), "a")
		}
		s.begin("web", 1, sleeps)
		if err := os.WriteFile(os.Getenv("TEST_DIR")+"/few", nil, 0o600); err != nil {
			s.fail("%v", err)
		}
	case 1:
		if n == 0 || n >= heldFew || len(s.list) != 1 {
			s.fail("%d held, %+v, want some, and one run", n, s.list)
		}
	case 2:
		if n != heldFew || s.content("0") != "a" {
			s.fail("%d held, want %d", n, heldFew)
		}
		s.stop(Started{Key: "web", N: 1, Pid: s.list[0].Pid})
		s.Exit(0)
	}
	s.die()
}

// A guardian without descriptors keeps what it has, and says that it can keep no more.
func TestHoldsAreShortOfFiles(t *testing.T) {
	s := play(t, []string{"TEST_AGAIN=1ms", "TEST_NOFILE=60"}, "heldshort")
	s.end(0)
	if n := strings.Count(s.err.String(), "gsv: cannot hold \"0\": too many open files\n"); n != 1 {
		t.Errorf("it was said %d times that 0 cannot be held:\n%s", n, s.err.String())
	}
}

func sceneHeldShort(s *scene) {
	if s.deaths == 0 {
		f := full(s, "a")[0].File
		for n := range 60 {
			s.Hold(strconv.Itoa(n), f)
		}
		s.hold("0", "b") // is lost on the way
		s.Unhold("0 ")
		s.flush()
		for n := 10; n < 30; n++ {
			s.Unhold(strconv.Itoa(n))
		}
		s.Start("web", 1, sh("exit 3"), std(), nil)
		want[Started](s)
		s.die()
	}
	for n := range 10 {
		if got := s.content(strconv.Itoa(n)); got != "a" {
			s.fail("%d holds %s, want a", n, got)
		}
	}
	if n := len(s.Held()); n < 15 || n > 40 {
		s.fail("%d held", n)
	}
	want[Ended](s)
	s.Exit(0)
}
