package procfs

import (
	"bufio"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Root without CAP_SYS_PTRACE, as in a container, sees where a service of another
// user works, which sockets it has and what it runs.
func TestWithoutTheRightToTrace(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root starts processes of other users")
	}
	cmd := exec.Command("/bin/sh", "-c", "cd /usr && echo here && read line")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
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
	defer cmd.Wait()
	defer in.Close()
	if line, _ := bufio.NewReader(out).ReadString('\n'); strings.TrimSpace(line) != "here" {
		t.Fatal(line)
	}
	type found struct {
		cwd              string
		cwdErr, queueErr error
		same             bool
	}
	see := make(chan found)
	go func() {
		runtime.LockOSThread() // the thread ends with what it has given up
		head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var caps [2]unix.CapUserData
		if err := unix.Capget(&head, &caps[0]); err == nil {
			caps[0].Effective &^= 1 << unix.CAP_SYS_PTRACE
			caps[0].Permitted &^= 1 << unix.CAP_SYS_PTRACE
			_ = unix.Capset(&head, &caps[0])
		}
		var f found
		f.cwd, f.cwdErr = Cwd(cmd.Process.Pid)
		_, f.queueErr = Queue(cmd.Process.Pid)
		f.same = SameProgram(cmd.Process.Pid, cmd.Process.Pid)
		see <- f
	}()
	f := <-see
	if f.cwd != "/usr" || f.cwdErr != nil || f.queueErr != nil || !f.same {
		t.Errorf("%+v", f)
	}
	if !is(os.Geteuid(), os.Getegid()) {
		t.Error("the user of this thread is another one")
	}
}
