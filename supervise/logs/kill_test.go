package logs

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const pumpRole = "logs-test-pump"

// pumpProcess reads the run web.1 by the reader it inherited, into a file or to
// its standard output, until it is killed.
func pumpProcess(args []string) {
	p, err := NewPump(Options{Dir: args[0]})
	file := NewFile(args[1], "web")
	file.Set(killPolicy[args[2]])
	var sink Sink = file
	if err == nil && args[2] == "lines" {
		var out *Lines
		if out, err = NewLines(os.Stdout); err == nil {
			sink = out.As(Prefix)
		}
	}
	key := Key{Name: "web", Gen: 1}
	if err == nil {
		err = p.Add(key, os.NewFile(4, "reader"), sink)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Fprintln(os.NewFile(3, "ready"), "ready")
	select {}
}

// killPolicy is how the file of each mode is kept.
var killPolicy = map[string]Policy{"rotated": {MaxSize: 300_000}, "stamped": {MaxSize: 300_000, Timestamp: true}}

// A Pump that is killed at any moment, again and again, under load: no line is
// lost or torn, and in a file none is doubled.
func TestKilledPump(t *testing.T) {
	kills := 50
	if testing.Short() {
		kills = 5
	}
	for _, mode := range []string{"file", "rotated", "stamped", "lines"} {
		t.Run(mode, func(t *testing.T) { killPumps(t, mode, kills) })
	}
}

func killPumps(t *testing.T, mode string, kills int) {
	parts, logs := t.TempDir(), t.TempDir()
	key := Key{Name: "web", Gen: 1}
	child, reader, err := Make(key, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	out, err := os.Create(NewFile(logs, "out").Path())
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	start := func() *exec.Cmd {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		cmd := exec.Command("/proc/self/exe", parts, logs, mode)
		cmd.Args[0] = pumpRole
		cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = out, os.Stderr, []*os.File{w, reader}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		w.Close()
		if _, err := bufio.NewReader(r).ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		return cmd
	}

	// The writer tells every 500 lines, so that the kills fall under load.
	progress, stop, last := make(chan struct{}), make(chan struct{}), make(chan int)
	go func() {
		w := bufio.NewWriterSize(child, 4000) // ends in the middle of lines
		for n := 0; ; n++ {
			fmt.Fprintf(w, "%d %s\n", n, strings.Repeat("x", n%150))
			if n%500 != 0 {
				continue
			}
			select {
			case progress <- struct{}{}:
			default:
			}
			select {
			case <-stop:
				w.Flush()
				child.Close()
				last <- n
				return
			default:
			}
		}
	}()
	for range kills {
		cmd := start()
		for range 5 {
			<-progress
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		cmd.Wait()
	}
	close(stop)
	drained := make(chan Key, 1)
	p, err := NewPump(Options{Dir: parts, Drained: func(k Key) { drained <- k }})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	file := NewFile(logs, "web")
	file.Set(killPolicy[mode])
	var sink Sink = file
	if mode == "lines" {
		lines, err := NewLines(out)
		if err != nil {
			t.Fatal(err)
		}
		sink = lines.As(Prefix)
	}
	if err := p.Add(key, reader, sink); err != nil {
		t.Fatal(err)
	}
	want := <-last + 1
	<-drained
	if left, _ := os.ReadDir(parts); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	path := file.Path()
	switch mode {
	case "lines":
		path = out.Name()
	case "rotated", "stamped":
		text := whole(t, file)
		if mode == "stamped" {
			text = unstamped(t, text)
		}
		if n := len(pieces(t, file)); int64(n) < int64(len(text))/killPolicy[mode].MaxSize {
			t.Errorf("%d files for %d bytes", n, len(text))
		}
		path = filepath.Join(t.TempDir(), "whole")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	doubled := checkNumbered(t, path, want, mode == "lines")
	t.Logf("%d lines, %d kills, %d lines doubled", want, kills, doubled)
}

// checkNumbered checks that a file has the lines 0 to want-1, and returns how
// many were there twice, which is an error unless it is allowed.
func checkNumbered(t *testing.T, path string, want int, twice bool) (doubled int) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	next, line := 0, 0
	for s := bufio.NewScanner(f); s.Scan(); line++ {
		text := s.Text()
		if twice {
			// Killed within write(2): a line's begin, then that line again.
			if i := strings.LastIndex(text, "web | "); i >= 0 {
				text = text[i+len("web | "):]
			}
		}
		number, xs, _ := strings.Cut(text, " ")
		n, err := strconv.Atoi(number)
		torn := err != nil || xs != strings.Repeat("x", n%150)
		switch {
		case torn && !twice:
			t.Fatalf("line %d is torn: %q", line, text)
		case torn:
			doubled++ // the rest of one whose begin was printed before a kill
		case n == next:
			next++
		case n < next && twice:
			doubled++
		default:
			t.Fatalf("line %d is number %d, want %d", line, n, next)
		}
	}
	if next != want {
		t.Fatalf("%d lines, want %d", next, want)
	}
	return doubled
}
