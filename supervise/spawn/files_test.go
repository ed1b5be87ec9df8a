package spawn

import (
	"encoding/binary"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

func memfd(t *testing.T, text string) int {
	t.Helper()
	fd, err := unix.MemfdCreate("spawn-test", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Pwrite(fd, []byte(text), 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// Files whose numbers are all below the number of files are in each other's way in every manner.
func TestFilesShuffled(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	eachMode(t, func(t *testing.T, l *Launcher) {
		const n = 100
		fds := make([]int, n)
		for i := range fds {
			fds[i] = memfd(t, "")
		}
		rng := rand.New(rand.NewPCG(1, 2))
		for range 10 {
			rng.Shuffle(n, func(i, j int) { fds[i], fds[j] = fds[j], fds[i] })
			files := append([]int(nil), fds...)
			closed := map[int]bool{}
			args := []string{"files", strconv.Itoa(n)}
			for i, fd := range files {
				if i > 2 && rng.IntN(20) == 0 {
					files[i], closed[i] = -1, true
					args = append(args, strconv.Itoa(i))
				}
				if err := unix.Ftruncate(fd, 0); err != nil {
					t.Fatal(err)
				}
				if _, err := unix.Pwrite(fd, []byte(strconv.Itoa(i)), 0); err != nil {
					t.Fatal(err)
				}
			}
			c, err := l.Start(&Spec{Argv: args, File: self, Env: quick, Umask: -1}, files)
			if err != nil {
				t.Fatal(err)
			}
			status := wait(t, c)
			if f, failed := c.Reaped(); failed || status != 0 {
				t.Errorf("%v, status %#x with files %v", f, status, files)
			}
		}
	})
}

func TestNoOtherFileIsInherited(t *testing.T) {
	eachMode(t, func(t *testing.T, l *Launcher) {
		fd := memfd(t, "secret")
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil { // as if someone forgot
			t.Fatal(err)
		}
		got := strings.Fields(output(t, l, sh("ls /proc/$$/fd")))
		if strings.Join(got, " ") != "0 1 2" {
			t.Errorf("child has fds %v, want 0 1 2", got)
		}
	})
}

func TestForeground(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ptmx, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(ptmx)
	if err := unix.IoctlSetPointerInt(ptmx, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(ptmx, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	got := output(t, newLauncher(t), Spec{Argv: []string{"foreground", "/dev/pts/" + strconv.Itoa(number)}, File: self, Env: quick, Umask: -1})
	fields := strings.Fields(got)
	if len(fields) < 8 || fields[0] != fields[4] || fields[7] != fields[4] {
		t.Errorf("pid, group, foreground group are %q, want them equal", got)
	}
}

// A permission event holds the execve until we answer, as a dead file server would. Meanwhile everything else goes on.
func TestHungExecHoldsNobodyUp(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, for fanotify")
	}
	eachMode(t, func(t *testing.T, l *Launcher) {
		path := write(t, t.TempDir(), "hang", "#!/bin/sh\nexit 7\n", 0o755)
		notify, err := unix.FanotifyInit(unix.FAN_CLASS_CONTENT|unix.FAN_CLOEXEC, unix.O_RDONLY|unix.O_CLOEXEC)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(notify)
		if err := unix.FanotifyMark(notify, unix.FAN_MARK_ADD, unix.FAN_OPEN_EXEC_PERM, unix.AT_FDCWD, path); err != nil {
			t.Fatal(err)
		}
		hung := make([]*Child, 3)
		files := make([]int32, len(hung))
		for i := range hung {
			if hung[i], err = l.Start(&Spec{Argv: []string{path}, Umask: -1}, []int{0, 1, 2}); err != nil {
				t.Fatal(err)
			}
			files[i] = nextEvent(t, notify)
		}
		func() {
			defer storm()()
			for range 50 {
				output(t, l, sh("exit 0"))
			}
		}()
		if want := len(hung); !l.plain && l.Sharing() != want {
			t.Errorf("%d children share our memory, want the %d that hang", l.Sharing(), want)
		}
		if err := unix.Kill(hung[0].Pid, unix.SIGKILL); err != nil { // before it became anything
			t.Fatal(err)
		}
		if status := wait(t, hung[0]); status.Signal() != unix.SIGKILL {
			t.Errorf("killed child ended with %#x", status)
		}
		for i, c := range hung {
			answer := make([]byte, 8)
			binary.NativeEndian.PutUint32(answer, uint32(files[i]))
			binary.NativeEndian.PutUint32(answer[4:], unix.FAN_ALLOW)
			_, err := unix.Write(notify, answer)
			unix.Close(int(files[i]))
			if i == 0 {
				continue // its answer may be refused: nobody waits for it
			}
			if err != nil {
				t.Fatal(err)
			}
			if status := wait(t, c); status.ExitStatus() != 7 {
				t.Errorf("child that hung ended with %#x, want exit 7", status)
			}
		}
		for _, c := range hung {
			if f, failed := c.Reaped(); failed {
				t.Error(f)
			}
		}
	})
}

// nextEvent returns the file of the next permission event, which must be answered.
func nextEvent(t *testing.T, notify int) int32 {
	t.Helper()
	var event unix.FanotifyEventMetadata
	buf := unsafe.Slice((*byte)(unsafe.Pointer(&event)), unsafe.Sizeof(event))
	for {
		_, err := unix.Read(notify, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		return event.Fd
	}
}
