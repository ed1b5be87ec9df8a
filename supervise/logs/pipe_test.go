package logs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// checkEnd checks how an end of a pipe was opened, and that Go leaves it so.
func checkEnd(t *testing.T, f *os.File, mode int) {
	t.Helper()
	if err := f.SetDeadline(time.Time{}); !errors.Is(err, os.ErrNoDeadline) {
		t.Fatalf("%s is in Go's poller: %v", f.Name(), err)
	}
	const looked = unix.O_ACCMODE | unix.O_NONBLOCK | unix.O_APPEND | unix.O_DIRECT
	for range 2 { // the first Fd changes nothing
		if flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0); err != nil || flags&looked != mode {
			t.Errorf("%s has flags %#x, want %#x, %v", f.Name(), flags&looked, mode, err)
		}
	}
	if flags, _ := unix.FcntlInt(f.Fd(), unix.F_GETFD, 0); flags&unix.FD_CLOEXEC == 0 {
		t.Error("inherited by every child")
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil || st.Mode != unix.S_IFIFO|0o600 {
		t.Errorf("%s has mode %#o, %v", f.Name(), st.Mode, err)
	}
}

func TestMake(t *testing.T) {
	r := newRig(t)
	key := Key{Name: "a.b", Gen: 3}
	child, reader, err := Make(key, os.Getuid())
	if err != nil {
		t.Fatal(err)
	}
	defer child.Close()
	defer reader.Close()
	checkEnd(t, child, unix.O_RDWR)
	checkEnd(t, reader, unix.O_RDONLY|unix.O_NONBLOCK)
	b := make([]byte, 4)
	if n, err := reader.Read(b); n > 0 || !errors.Is(err, unix.EAGAIN) {
		t.Errorf("empty: %d, %v", n, err)
	}
	r.write(child, "kept")
	if _, err := io.ReadFull(reader, b); err != nil || string(b) != "kept" {
		t.Errorf("%q, %v", b, err)
	}
	// The Pump reads by the same description, and leaves it as it is.
	file := NewFile(r.logs, "a")
	if err := r.Add(key, reader, file); err != nil {
		t.Fatal(err)
	}
	r.write(child, "one\n")
	r.sync(key)
	checkEnd(t, reader, unix.O_RDONLY|unix.O_NONBLOCK)
	reader.Close()
	r.write(child, "two\n")
	r.sync(key)
	r.wantFile(file.Path(), "one\ntwo\n")
	// Nobody reads any more: the service gets no SIGPIPE.
	r.Release(key)
	<-r.drained
	r.write(child, "three\n")
}

// Whether a reader blocks, as after a detour through what made it so, does not
// matter: neither the Pump nor other runs wait.
func TestReaderThatBlocks(t *testing.T) {
	r := newRig(t)
	out := newOutput(t)
	key, lined := Key{Name: "web", Gen: 1}, Key{Name: "app", Gen: 1}
	file := NewFile(r.logs, "web")
	children := map[Key]*os.File{}
	for key, sink := range map[Key]Sink{key: file, lined: out.As(Prefix)} {
		child, reader := r.make(key)
		if err := unix.SetNonblock(int(reader.Fd()), false); err != nil {
			t.Fatal(err)
		}
		if err := r.Add(key, reader, sink); err != nil {
			t.Fatal(err)
		}
		children[key] = child
	}
	for key, child := range children {
		r.sync(key)
		r.write(child, "one\ntwo\n")
		r.sync(key)
		child.Close()
		<-r.drained
	}
	r.wantFile(file.Path(), "one\ntwo\n")
	if got := out.text(); got != "app | one\napp | two\n" {
		t.Errorf("%q", got)
	}
}

func TestMakeGivesPipeToTheUser(t *testing.T) {
	if os.Geteuid() != 0 {
		_, _, err := Make(Key{Name: "a", Gen: 1}, os.Geteuid()+1)
		if err == nil || !strings.Contains(err.Error(), "cannot make the output pipe of a: fchown") {
			t.Error(err)
		}
		return
	}
	r := newRig(t)
	key := Key{Name: "a", Gen: 1}
	child, reader, err := Make(key, 12345)
	if err != nil {
		t.Fatal(err)
	}
	defer child.Close()
	defer reader.Close()
	for _, f := range []*os.File{child, reader} {
		if st, err := f.Stat(); err != nil || st.Sys().(*syscall.Stat_t).Uid != 12345 || st.Mode().Perm() != 0o600 {
			t.Errorf("%+v, %v", st, err)
		}
	}
	file := NewFile(r.logs, "a")
	if err := r.Add(key, reader, file); err != nil {
		t.Fatal(err)
	}
	say := func(uid uint32) error {
		cmd := exec.Command("/bin/sh", "-c", "echo $0 >/dev/stderr && echo again >/dev/stdout", "opened")
		cmd.Dir, cmd.Stdout, cmd.Stderr = "/", child, child
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		return cmd.Run()
	}
	if err := say(12345); err != nil {
		t.Errorf("the user: %v", err)
	}
	r.sync(key)
	r.wantFile(file.Path(), "opened\nagain\n")
	if err := say(12346); err == nil {
		t.Error("another user opened it")
	}
}

// inNamespaces runs the named test in namespaces of its own, where any user may
// mount, and tells whether this is there.
func inNamespaces(t *testing.T, name string) bool {
	t.Helper()
	if os.Getenv("LOGS_TEST_NAMESPACE") != "" {
		return true
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+name+"$", "-test.v")
	cmd.Env = append(os.Environ(), "LOGS_TEST_NAMESPACE=1", "TMPDIR="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+name) {
		t.Fatalf("%v\n%s", err, out)
	}
	return false
}

func TestWithoutProc(t *testing.T) {
	if !inNamespaces(t, "TestWithoutProc") {
		return
	}
	before := descriptors(t)
	if err := unix.Mount("none", "/proc", "tmpfs", 0, "mode=0755"); err != nil {
		t.Fatal(err)
	}
	_, _, err := Make(Key{Name: "web", Gen: 1}, -1)
	if err == nil || !strings.Contains(err.Error(), "cannot make the output pipe of web: needs /proc") {
		t.Errorf("Make: %v", err)
	}
	// It is not known to be gone.
	_, err = Regain(os.Getpid())
	if err == nil || !strings.Contains(err.Error(), "needs /proc") || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Regain: %v", err)
	}
	if err := unix.Unmount("/proc", 0); err != nil {
		t.Fatal(err)
	}
	// A user that does not exist here.
	if _, _, err := Make(Key{Name: "web", Gen: 1}, 12345); !errors.Is(err, unix.EINVAL) {
		t.Errorf("Make for an unknown user: %v", err)
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

func TestAddRefusesWhatIsNoReader(t *testing.T) {
	r := newRig(t)
	child, reader := r.make(Key{Name: "a", Gen: 1})
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	pr, pw, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer pr.Close()
	defer pw.Close()
	closed := os.NewFile(uintptr(1<<30), "closed")
	reader.Close()
	for _, tt := range []struct {
		name string
		file *os.File
		want string
	}{
		{"device", null, "is not a pipe"},
		{"child", child, "is not open for reading only"},
		{"writer", pw, "is not open for reading only"},
		{"closed", reader, "closed file"},
		{"bad", closed, "bad file descriptor"},
		{"nil", nil, "invalid argument"},
	} {
		err := r.Add(Key{Name: "a", Gen: 1}, tt.file, NewFile(r.logs, "a"))
		if err == nil || !strings.Contains(err.Error(), "cannot read the output of a: ") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	// And it is still free for what is one.
	if err := r.Add(Key{Name: "a", Gen: 1}, pr, NewFile(r.logs, "a")); err != nil {
		t.Error(err)
	}
}

// A service is a shell that says "one", then "two" after a line of input, then
// ends.
func service(t *testing.T, stdout, stderr *os.File, uid int, to string) (cmd *exec.Cmd, line io.WriteCloser) {
	t.Helper()
	cmd = exec.Command("/bin/sh", "-c", "echo one >&$0; read x; echo two >&$0", to)
	cmd.Dir, cmd.Stdout, cmd.Stderr = "/", stdout, stderr
	if uid > 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
	}
	line, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		line.Close()
		cmd.Process.Kill()
		cmd.Wait()
	})
	return cmd, line
}

// All that held the pipe are dead but the service.
func TestRegain(t *testing.T) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for _, tt := range []struct {
		name string
		to   string // the descriptor that it writes to
		uid  int
	}{{"stdout", "1", -1}, {"stderr", "2", -1}, {"another user's", "1", 12345}} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.uid >= 0 && os.Geteuid() != 0 {
				t.Skip("needs root")
			}
			r := newRig(t)
			key := Key{Name: "web", Gen: 1}
			child, reader, err := Make(key, tt.uid)
			if err != nil {
				t.Fatal(err)
			}
			stdout, stderr := child, child
			if tt.to == "2" {
				stdout = null
			}
			cmd, line := service(t, stdout, stderr, tt.uid, tt.to)
			child.Close()
			reader.Close()

			again, err := Regain(cmd.Process.Pid)
			if err != nil {
				t.Fatal(err)
			}
			checkEnd(t, again, unix.O_RDONLY|unix.O_NONBLOCK)
			file := NewFile(r.logs, "web")
			if err := r.Add(key, again, file); err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(line, "go on\n"); err != nil {
				t.Fatal(err)
			}
			<-r.drained
			r.wantFile(file.Path(), "one\ntwo\n")
			again.Close()

			// It has ended, and nobody has waited for it; then somebody has.
			if err := unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
				t.Fatal(err)
			}
			for _, reaped := range []bool{false, true} {
				if reaped {
					cmd.Wait()
				}
				_, err = Regain(cmd.Process.Pid)
				if !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(err.Error(), "cannot regain the output of process ") {
					t.Errorf("reaped=%v: %v", reaped, err)
				}
			}
		})
	}
	for _, pid := range []int{0, -1, 1 << 30} {
		if _, err := Regain(pid); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%d: %v", pid, err)
		}
	}
}

// What Make did not make is not read: those who wrote and read it would miss
// their bytes.
func TestRegainRefusesWhatIsNotGsvs(t *testing.T) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	path := filepath.Join(t.TempDir(), "pipe:[1]")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	fifo, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer fifo.Close()
	file, err := os.Create(path + ".file")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	pr, pw, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer pr.Close()
	defer pw.Close()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	socket, peer := os.NewFile(uintptr(pair[0]), "socket"), os.NewFile(uintptr(pair[1]), "peer")
	defer socket.Close()
	defer peer.Close()
	for _, f := range []*os.File{null, fifo, file, pw, pr, socket} {
		cmd, _ := service(t, f, null, -1, "1")
		got, err := Regain(cmd.Process.Pid)
		if err == nil {
			got.Close()
		}
		if err == nil || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "is not a pipe of gsv's") {
			t.Errorf("%s: %v", f.Name(), err)
		}
	}
}
