package supervise

import (
	"bufio"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// What a main process has left behind is known when it has been reaped, and is not
// mistaken for what another service, or another run, has.
func TestLeftBehind(t *testing.T) {
	in, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	cmd := exec.Command("sh", "-c", "cat <&3 & echo $!")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Env, cmd.ExtraFiles = append(os.Environ(), "GSV_SERVICE=web", "GSV_GENERATION=7"), []*os.File{in}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	in.Close()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	child, _ := strconv.Atoi(strings.TrimSpace(line))
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	r := runRecord{Pid: cmd.Process.Pid}
	if left := leftBehind("web", 7, r); len(left) != 1 || left[0].Pid != child {
		t.Errorf("%+v, want %d", left, child)
	}
	if left := leftBehind("web", 9, runRecord{Pid: r.Pid, Born: 7}); len(left) != 1 {
		t.Errorf("%+v, of a run that was born as 7", left)
	}
	if left := append(leftBehind("web", 8, r), leftBehind("api", 7, r)...); len(left) != 0 {
		t.Errorf("%+v", left)
	}
}
