package procfs

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"testing"
)

func TestImageIsAnotherOneAfterExec(t *testing.T) {
	if Image(os.Getpid()) == "" {
		t.Skip("no random addresses here")
	}
	cmd := exec.Command("sh", "-c", `echo one; read line; test -n "$AGAIN" || AGAIN=1 exec sh -c 'echo two; read line'`)
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
	says := bufio.NewScanner(out)
	says.Scan()
	one := Image(cmd.Process.Pid)
	if again := Image(cmd.Process.Pid); one == "" || again != one {
		t.Errorf("it is %q, then %q", one, again)
	}
	io.WriteString(in, "\n")
	says.Scan()
	if two := Image(cmd.Process.Pid); says.Text() != "two" || two == "" || two == one {
		t.Errorf("after exec (%q) it is %q, as before: %q", says.Text(), two, one)
	}
	if gone := Image(1 << 30); gone != "" {
		t.Errorf("of a process that is not there: %q", gone)
	}
}
