package notify

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A test binary is a sender too: it sends its second argument to the socket named
// by its first, says its pid, and ends when its input does; with a third argument
// it has a child send, which ends, and is waited for, before that.
func TestMain(m *testing.M) {
	if os.Getenv("NOTIFY_TEST_SENDER") != "" {
		os.Exit(send(os.Args[1:]))
	}
	os.Exit(m.Run())
}

func send(args []string) int {
	if len(args) > 2 {
		child := exec.Command("/proc/self/exe", args[:2]...)
		if out, err := child.Output(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		} else {
			os.Stdout.Write(out)
		}
	} else {
		c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Net: "unixgram", Name: args[0]})
		if err == nil {
			_, err = io.WriteString(c, args[1])
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		fmt.Println(os.Getpid())
	}
	io.Copy(io.Discard, os.Stdin)
	return 0
}

// sends starts a sender and returns its pid, or its child's; the func ends it.
func sends(t *testing.T, s *Socket, uid int, args ...string) (pid int, end func()) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", append([]string{s.Name()}, args...)...)
	cmd.Env = append(os.Environ(), "NOTIFY_TEST_SENDER=1", "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	if uid > 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	end = func() {
		if !ended {
			ended = true
			in.Close()
			cmd.Wait()
		}
	}
	t.Cleanup(end)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal("the sender did not send:", err)
	}
	pid, _ = strconv.Atoi(strings.TrimSpace(line))
	return pid, end
}

func socket(t *testing.T) *Socket {
	t.Helper()
	s, err := Listen()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func dial(t *testing.T, s *Socket) *net.UnixConn {
	t.Helper()
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Net: "unixgram", Name: s.Name()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func next(t *testing.T, s *Socket) (Message, Sender) {
	t.Helper()
	m, from, err := s.Peek()
	if err == nil {
		err = s.Drop()
	}
	if err != nil {
		t.Fatal(err)
	}
	return m, from
}

func TestMessagesHaveSenders(t *testing.T) {
	s := socket(t)
	pid, _ := sends(t, s, 0, "READY=1\nSTATUS=up")
	m, from := next(t, s)
	if m.State != Ready || m.Status != "up" || from != (Sender{pid, uint32(os.Getuid()), uint32(os.Getgid())}) {
		t.Errorf("%+v of %+v", m, from)
	}
	line, err := from.Line()
	if err != nil || len(line) < 2 || line[0].Pid != pid || line[1].Pid != os.Getpid() {
		t.Errorf("its line: %+v, %v", line, err)
	}
	if last := line[len(line)-1]; last.PPid != 0 && len(line) < maxLine {
		t.Errorf("the line ends at %+v", last)
	}
	if os.Getuid() != 0 {
		return
	}
	pid, _ = sends(t, s, 65534, "READY=1")
	if _, from := next(t, s); from != (Sender{pid, 65534, 65534}) {
		t.Errorf("another user's message is of %+v", from)
	} else if line, err := from.Line(); err != nil || line[0].Pid != pid {
		t.Errorf("its line: %+v, %v", line, err)
	}
	// The pid is another's by now.
	from.UID = 65533
	from.Pid = pid
	if _, err := from.Line(); !errors.Is(err, ErrEnded) {
		t.Errorf("a process of another user is taken for the sender: %v", err)
	}
}

// A sender that has ended has a line while it is a zombie, and none after that.
func TestSendersThatHaveEnded(t *testing.T) {
	s := socket(t)
	cmd := exec.Command("/proc/self/exe", s.Name(), "READY=1")
	cmd.Env = append(os.Environ(), "NOTIFY_TEST_SENDER=1", "GORACE=atexit_sleep_ms=0")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var info unix.Siginfo
	if err := unix.Waitid(unix.P_PID, cmd.Process.Pid, &info, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	_, from := next(t, s)
	if line, err := from.Line(); err != nil || line[0].Pid != cmd.Process.Pid || line[1].Pid != os.Getpid() {
		t.Errorf("the line of a zombie: %+v, %v", line, err)
	}
	cmd.Wait()
	if _, err := from.Line(); !errors.Is(err, ErrEnded) {
		t.Errorf("the line of nobody: %v", err)
	}
	pid, _ := sends(t, s, 0, "READY=1", "by a child")
	m, from := next(t, s)
	if _, err := from.Line(); m.State != Ready || from.Pid != pid || !errors.Is(err, ErrEnded) {
		t.Errorf("of a child: %+v of %+v, %v", m, from, err)
	}
	if _, err := (Sender{}).Line(); err == nil || errors.Is(err, ErrEnded) {
		t.Errorf("nobody's line: %v", err)
	}
}

// What is not dropped is there for the next who reads.
func TestPeekLeavesIt(t *testing.T) {
	s := socket(t)
	c := dial(t, s)
	io.WriteString(c, "STATUS=one")
	io.WriteString(c, "STATUS=two")
	for range 2 {
		if m, _, err := s.Peek(); err != nil || m.Status != "one" {
			t.Fatalf("%+v, %v", m, err)
		}
	}
	kept, err := s.File()
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if _, _, err := s.Peek(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a closed socket: %v", err)
	}
	again, err := Adopt(kept)
	kept.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	io.WriteString(c, "STATUS=three")
	for _, want := range []string{"one", "two", "three"} {
		if m, from := next(t, again); m.Status != want || from.Pid != os.Getpid() {
			t.Errorf("%+v of %+v, want %s", m, from, want)
		}
	}
	if again.Name() != s.Name() {
		t.Errorf("%s is called %s now", s.Name(), again.Name())
	}
}

func TestNames(t *testing.T) {
	s := socket(t)
	if _, err := Open(s.Name()); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("a name that is taken: %v", err)
	}
	s.Close()
	again, err := Open(s.Name())
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
	for _, name := range []string{"", "@", "/run/systemd/notify", "@other", "@" + prefix, "@" + prefix + "zz", s.Name()[1:], s.Name() + "00"} {
		if s, err := Open(name); err == nil {
			s.Close()
			t.Errorf("%q is taken for a name of ours", name)
		}
	}
}

func TestAdoptTakesNothingElse(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	stream, err := net.Listen("unix", "")
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	streamFile, err := stream.(*net.UnixListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer streamFile.Close()
	other, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: ""})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	otherFile, err := other.File()
	if err != nil {
		t.Fatal(err)
	}
	defer otherFile.Close()
	for name, f := range map[string]*os.File{"a pipe": r, "a stream": streamFile, "another datagram socket": otherFile} {
		if s, err := Adopt(f); err == nil {
			s.Close()
			t.Errorf("%s is taken for a notify socket", name)
		}
	}
}

// Descriptors that come along never become ours, and their senders need not wait
// for more than the message's turn.
func TestDescriptorsAreDropped(t *testing.T) {
	s := socket(t)
	c := dial(t, s)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	before := descriptors(t)
	var many []int
	for range 253 {
		many = append(many, int(w.Fd()))
	}
	for i, fds := range [][]int{{int(w.Fd())}, many} {
		io.WriteString(c, "STATUS=before")
		sendWith(t, c, "BARRIER=1", unix.UnixRights(fds...))
		if i == 1 {
			w.Close()
			before--
		}
		next(t, s)
		m, from, err := s.Peek()
		if err != nil || !m.IsZero() || from.Pid != os.Getpid() {
			t.Errorf("%+v of %+v, %v", m, from, err)
		}
		if n := descriptors(t); n != before {
			t.Errorf("%d descriptors, were %d", n, before)
		}
		if i == 1 && hungUp(t, r, 0) {
			t.Error("the barrier is open before its turn")
		}
		if err := s.Drop(); err != nil {
			t.Fatal(err)
		}
	}
	if !hungUp(t, r, -1) {
		t.Error("the barrier stays shut")
	}
}

// sendWith sends what need not be a Write: nothing, or descriptors.
func sendWith(t *testing.T, c *net.UnixConn, text string, oob []byte) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err == nil {
		if e := raw.Write(func(fd uintptr) bool {
			err = unix.Sendmsg(int(fd), []byte(text), oob, nil, 0)
			return err != unix.EAGAIN
		}); e != nil {
			err = e
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// hungUp reports whether a pipe has no writer any more.
func hungUp(t *testing.T, r *os.File, wait int) bool {
	t.Helper()
	fds := []unix.PollFd{{Fd: int32(r.Fd())}}
	for {
		n, err := unix.Poll(fds, wait)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		return n == 1 && fds[0].Revents&unix.POLLHUP != 0
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func TestHostileMessages(t *testing.T) {
	s := socket(t)
	c := dial(t, s)
	for _, text := range []string{
		"READY=1\n" + strings.Repeat("x", 64<<10), strings.Repeat("x", maxMessage+1) + "\nREADY=1",
		"\x00", "READY=1\x00\x00STATUS=x", strings.Repeat("=", 4000), "\n\n\n",
	} {
		if _, err := io.WriteString(c, text); err != nil {
			t.Fatal(err)
		}
		if m, from := next(t, s); !m.IsZero() || from.Pid != os.Getpid() {
			t.Errorf("%.40q says %+v, of %+v", text, m, from)
		}
	}
	sendWith(t, c, "", nil)
	io.WriteString(c, "READY=1")
	if m, _ := next(t, s); !m.IsZero() {
		t.Errorf("an empty message says %+v", m)
	}
	if m, _ := next(t, s); m.State != Ready {
		t.Errorf("after an empty message: %+v", m)
	}
}

// However much comes, no more than so much is taken; and one that waits for that
// ends with the socket.
func TestFlood(t *testing.T) {
	s := socket(t)
	c := dial(t, s)
	go func() {
		for {
			if _, err := io.WriteString(c, "STATUS=x"); err != nil {
				return
			}
		}
	}()
	began := time.Now()
	for range most + 1 {
		next(t, s)
	}
	if took := time.Since(began); took < window/2 {
		t.Errorf("%d messages taken within %v", most+1, took)
	}
	s.taken = most
	s.began = time.Now().Add(time.Hour)
	closed := make(chan error)
	go func() {
		_, _, err := s.Peek()
		closed <- err
	}()
	s.Close()
	if err := <-closed; !errors.Is(err, os.ErrClosed) {
		t.Errorf("closed while it waited: %v", err)
	}
}

func TestOwns(t *testing.T) {
	me := Sender{UID: uint32(os.Getuid())}
	if !me.Owns(os.Getpid()) || (Sender{UID: 65533}).Owns(os.Getpid()) || me.Owns(-1) {
		t.Error("whose this process is")
	}
	if os.Getuid() == 0 {
		pid, _ := sends(t, socket(t), 65534, "READY=1")
		if me.Owns(pid) || !(Sender{UID: 65534}).Owns(pid) {
			t.Error("whose another user's process is")
		}
	}
}
