package procfs

import (
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"
)

func TestZombieStatus(t *testing.T) {
	for _, tt := range []struct {
		script string
		ok     func(syscall.WaitStatus) bool
	}{
		{"exit 0", func(s syscall.WaitStatus) bool { return s.Exited() && s.ExitStatus() == 0 }},
		{"exit 7", func(s syscall.WaitStatus) bool { return s.Exited() && s.ExitStatus() == 7 }},
		{"kill -9 $$", func(s syscall.WaitStatus) bool { return s.Signaled() && s.Signal() == syscall.SIGKILL }},
	} {
		t.Run(tt.script, func(t *testing.T) {
			cmd := exec.Command("sh", "-c", "read line; "+tt.script)
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer cmd.Wait()
			pid := cmd.Process.Pid
			start, err := StartTime(pid)
			if err != nil {
				t.Fatal(err)
			}
			if _, known := zombieStatus(pid, start); known {
				t.Error("one that lives has a status")
			}
			in.Close()
			for deadline := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
				if p, err := Read(pid); err == nil && p.State == 'Z' {
					break
				} else if err != nil || time.Now().After(deadline) {
					t.Fatal("it does not end", err)
				}
			}
			if status, known := zombieStatus(pid, start); !known || !tt.ok(status) {
				t.Errorf("status %#x, known %t", status, known)
			}
			if _, known := zombieStatus(pid, start+1); known {
				t.Error("another process has its status")
			}
		})
	}
	if _, known := zombieStatus(os.Getpid(), 0); known {
		t.Error("this process has ended")
	}
}
