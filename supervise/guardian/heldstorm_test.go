package guardian

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"gsv/supervise/procfs"
	"gsv/supervise/spawn"
)

const stormFamilies = 400

// The supervisor is killed again and again, while it holds files, starts runs and adopts what these have started in their groups. In the end each
// process ended by what was meant for it alone, each file was held as long as it was to be, and the guardian has nothing left of any.
func TestSupervisorKilledWhileItHoldsAndAdopts(t *testing.T) { heldStorm(t, nil) }

// The same where a pid comes again after a moment.
func TestSupervisorKilledWhileItAdoptsFewPids(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, for a pid namespace")
	}
	if !kernelSince(t, 6, 14) {
		t.Skip("needs Linux 6.14: before, pid_max is the whole machine's")
	}
	heldStorm(t, []string{"TEST_NAMESPACE=1", "TEST_PID_MAX=420"})
}

func heldStorm(t *testing.T, env []string) {
	dir := t.TempDir()
	s := play(t, append(env, "TEST_AGAIN=1us"), "heldstorm", dir)
	adopted := 0
	s.killing(func(line string) {
		if line == "adopted" {
			adopted++
		}
	})
	tells := kernelSince(t, 6, 15) // how a process ended that another has waited for
	for n := range uint64(stormFamilies) {
		old, heir := "1280 ok", fmt.Sprintf("%d ok", heirSignal(n))
		switch n % 3 {
		case 1:
			old = fmt.Sprintf("%d ok", unix.SIGKILL)
		case 2:
			old = "1536 ok"
			if !tells {
				heir = "0 ok"
			}
		}
		for key, want := range map[string]string{"old": old, "heir": heir} {
			if b, err := os.ReadFile(familyName(dir, key, n) + ".ended"); err != nil || string(b) != want {
				t.Errorf("%s %d ended with %q, %v, want %q", key, n, b, err, want)
			}
		}
	}
	if adopted < stormFamilies {
		t.Errorf("%d were adopted, of %d", adopted, stormFamilies)
	}
}

func familyName(dir, key string, n uint64) string { return fmt.Sprintf("%s/%s.%d", dir, key, n) }

func heirSignal(n uint64) unix.Signal {
	return [...]unix.Signal{unix.SIGTERM, unix.SIGHUP, unix.SIGUSR1, 40, unix.SIGALRM}[n%5]
}

// stormFamily is a process that says which one it has started, and ends with 5, or stays, or waits for it and ends with 6.
func stormFamily(dir string, n uint64) *spawn.Spec {
	then := [...]string{"exit 5", "exec sleep 1000", "wait $heir; exit 6"}
	return sh(`sleep 1000 3<&- & heir=$!; echo $heir >"$1~"; mv "$1~" "$1.heir"; echo >&3; `+then[n%3], familyName(dir, "old", n))
}

// A heldStory is what a supervisor of the storm knows.
type heldStory struct {
	*scene
	dir   string
	ended map[run]bool
}

func sceneHeldStorm(s *scene) {
	h := &heldStory{s, s.args[0], map[run]bool{}}
	fmt.Println("new")
	s.Serving()
	if s.deaths == 0 {
		h.write("files", strconv.Itoa(openFiles(s)))
	}
	meant, waiting := uint64(0), 0
	for ; meant < stormFamilies && h.exists(fmt.Sprint("meant.", meant)); meant++ {
		for _, key := range []string{"old", "heir"} {
			h.ended[run{key, meant}] = h.exists(fmt.Sprint(key, ".", meant, ".ended"))
		}
	}
	h.checkHeld(meant)
	for n := range meant {
		if !h.over(n) {
			waiting++
			h.begin(n)
		}
	}
	for {
		for ; meant < stormFamilies && waiting < 12; meant++ {
			if err := unix.Mkfifo(familyName(h.dir, "old", meant)+".fifo", 0o600); err != nil && err != unix.EEXIST {
				s.fail("%v", err)
			}
			h.write(fmt.Sprint("meant.", meant), "")
			waiting++
			h.begin(meant)
			fmt.Println("meant")
		}
		if waiting == 0 {
			break
		}
		switch e := s.next().(type) {
		case Started:
			h.started(e)
		case Ended:
			before := h.over(e.N)
			h.recordEnd(e)
			if h.over(e.N) && !before {
				waiting--
				s.Unhold(fmt.Sprint(e.N))
			}
			fmt.Println("ended")
		}
	}
	s.flush()
	if !h.exists("all") {
		h.write("all", "")
		s.die()
	}
	if len(s.list) != 0 || len(s.Held()) != 0 {
		s.fail("%+v and %v are left", s.list, s.Held())
	}
	if b, err := os.ReadFile(h.dir + "/files"); err != nil || string(b) != strconv.Itoa(openFiles(s)) {
		s.fail("the guardian has %d open files, and had %s, %v", openFiles(s), b, err)
	}
	if list := zombies(s.Hello().Pid); len(list) != 0 {
		s.fail("zombies: %v", list)
	}
	s.Exit(0)
}

func (h *heldStory) over(n uint64) bool { return h.ended[run{"old", n}] && h.ended[run{"heir", n}] }

func (h *heldStory) exists(name string) bool {
	_, err := os.Stat(filepath.Join(h.dir, name))
	return err == nil
}

func (h *heldStory) write(name, text string) {
	if err := os.WriteFile(filepath.Join(h.dir, name), []byte(text), 0o600); err != nil {
		h.fail("%v", err)
	}
}

// checkHeld fails unless what is known to have been held is, and nothing else.
func (h *heldStory) checkHeld(meant uint64) {
	held := h.Held()
	known := map[uint64]bool{}
	for _, p := range h.list {
		known[p.N] = true // a hold comes before its start
	}
	for n := range meant {
		name := fmt.Sprint(n)
		f := held[name]
		switch {
		case f == nil && known[n] && !h.over(n):
			h.fail("%d is not held any more", n)
		case f != nil:
			b := make([]byte, 20)
			fd, err := number(f)
			if err != nil {
				h.fail("%v", err)
			}
			if size, err := unix.Pread(fd, b, 0); err != nil || string(b[:size]) != name {
				h.fail("%d holds %q, %v", n, b[:size], err)
			}
			if h.over(n) {
				h.Unhold(name)
			}
			f.Close()
		}
		delete(held, name)
	}
	if len(held) != 0 {
		h.fail("%v are held, and were never meant to be", held)
	}
}

// begin begins a family, or what may not have begun yet.
func (h *heldStory) begin(n uint64) {
	fd, err := unix.MemfdCreate("held", unix.MFD_CLOEXEC)
	if err != nil {
		h.fail("%v", err)
	}
	f := os.NewFile(uintptr(fd), "held")
	if _, err := f.WriteString(fmt.Sprint(n)); err != nil {
		h.fail("%v", err)
	}
	h.Hold(fmt.Sprint(n), f)
	f.Close()
	if !h.ended[run{"old", n}] {
		stderr := std()[2] // not what the stage reads to its end
		h.Start("old", n, stormFamily(h.dir, n), []File{stderr, stderr, stderr, {File: h.fifo(n)}}, nil)
	} else if !h.ended[run{"heir", n}] {
		h.adopt(n)
	}
}

// fifo is what tells that there is an heir.
func (h *heldStory) fifo(n uint64) *os.File {
	f, err := os.OpenFile(familyName(h.dir, "old", n)+".fifo", os.O_RDWR, 0)
	if err != nil {
		h.fail("%v", err)
	}
	return f
}

func (h *heldStory) started(e Started) {
	fmt.Println("started")
	switch {
	case e.Key == "heir":
		fmt.Println("adopted")
		if e.N%3 != 2 {
			h.Signal(0, "old", e.N, unix.SIGKILL, true) // its group is not its any more
		}
		h.Signal(0, "heir", e.N, heirSignal(e.N), e.N%2 == 0)
	case e.N%3 != 0 && !h.ended[run{"heir", e.N}]:
		h.adopt(e.N)
	}
}

// adopt adopts the heir of a family.
func (h *heldStory) adopt(n uint64) {
	name := familyName(h.dir, "old", n)
	if _, err := os.Stat(name + ".heir"); err != nil {
		fifo := h.fifo(n)
		if _, err := fifo.Read(make([]byte, 1)); err != nil {
			h.fail("%v", err)
		}
		fifo.Close()
	}
	b, err := os.ReadFile(name + ".adopt")
	if err != nil {
		if b, err = os.ReadFile(name + ".heir"); err != nil {
			h.fail("%v", err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
		if err != nil {
			h.fail("%v", err)
		}
		start, err := procfs.StartTime(pid)
		if err != nil {
			h.fail("%v", err)
		}
		b = fmt.Append(nil, pid, " ", start)
		h.write(filepath.Base(name)+".adopt~", string(b))
		if err := os.Rename(name+".adopt~", name+".adopt"); err != nil {
			h.fail("%v", err)
		}
	}
	var pid int
	var start uint64
	if _, err := fmt.Sscan(string(b), &pid, &start); err != nil {
		h.fail("%q: %v", b, err)
	}
	h.Adopt("heir", n, pid, start)
}

func (h *heldStory) recordEnd(e Ended) {
	h.record(familyName(h.dir, e.Key, e.N), e)
	first := !h.ended[run{e.Key, e.N}]
	h.ended[run{e.Key, e.N}] = true
	h.Ack(e.Key, e.N)
	if e.Key == "old" && e.N%3 == 0 && first && !h.ended[run{"heir", e.N}] {
		h.adopt(e.N)
	}
}
