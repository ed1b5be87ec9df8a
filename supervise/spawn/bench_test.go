package spawn

import (
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

var benchEnv = []string{"PATH=" + DefaultPath, "HOME=/root", "LANG=C"}

func BenchmarkStart(b *testing.B) {
	l := newLauncher(b)
	for b.Loop() {
		c, err := l.Start(&Spec{Argv: []string{"/bin/true"}, Env: benchEnv, Umask: -1}, []int{0, 1, 2})
		if err != nil {
			b.Fatal(err)
		}
		wait(b, c)
		c.Reaped()
	}
}

// BenchmarkStartListenPID is BenchmarkStart of a child that is told its pid.
func BenchmarkStartListenPID(b *testing.B) {
	l := newLauncher(b)
	for b.Loop() {
		c, err := l.Start(&Spec{Argv: []string{"/bin/true"}, Env: benchEnv, Umask: -1, ListenPID: true}, []int{0, 1, 2})
		if err != nil {
			b.Fatal(err)
		}
		wait(b, c)
		c.Reaped()
	}
}

// BenchmarkForkExec is what the syscall package does for the same child.
func BenchmarkForkExec(b *testing.B) {
	for b.Loop() {
		pid, err := syscall.ForkExec("/bin/true", []string{"/bin/true"}, &syscall.ProcAttr{
			Env: benchEnv, Files: []uintptr{0, 1, 2}, Sys: &syscall.SysProcAttr{Setsid: true},
		})
		if err != nil {
			b.Fatal(err)
		}
		wait(b, &Child{Pid: pid})
	}
}

// BenchmarkStartCall is how long the caller of Start is held up.
func BenchmarkStartCall(b *testing.B) {
	l := newLauncher(b)
	for b.Loop() {
		c, err := l.Start(&Spec{Argv: []string{"/bin/true"}, Env: benchEnv, Umask: -1}, []int{0, 1, 2})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		wait(b, c)
		c.Reaped()
		b.StartTimer()
	}
}

// BenchmarkThousand starts a thousand that fail to execute, which is what a start costs without a program, and reaps them.
func BenchmarkThousand(b *testing.B) {
	l := newLauncher(b)
	children := make([]*Child, 1000)
	for b.Loop() {
		for i := range children {
			c, err := l.Start(&Spec{Argv: []string{"/no/such"}, Env: benchEnv, Umask: -1}, []int{0, 1, 2})
			if err != nil {
				b.Fatal(err)
			}
			children[i] = c
		}
		for _, c := range children {
			wait(b, c)
			if f, _ := c.Reaped(); f.Errno != unix.ENOENT {
				b.Fatal(f)
			}
		}
	}
}

// BenchmarkStartCallHolding is BenchmarkStartCall of a parent that holds a thousand files: the kernel copies its table.
func BenchmarkStartCallHolding(b *testing.B) {
	for range 1000 {
		fd, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			b.Fatal(err)
		}
		defer unix.Close(fd)
	}
	BenchmarkStartCall(b)
}

func BenchmarkSpec(b *testing.B) {
	s := Spec{Argv: []string{"/bin/sh", "-c", "true"}, Env: os.Environ(), Umask: -1}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = s.AppendTo(buf[:0])
		if _, err := ParseSpec(buf); err != nil {
			b.Fatal(err)
		}
	}
}
