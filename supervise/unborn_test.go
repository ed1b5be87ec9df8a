package supervise

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"gsv/supervise/logs"
)

// Which pipes runs are to have is known after any death, until their processes are.
func TestUnbornOnDisk(t *testing.T) {
	r := newWatchRig(t, "")
	if _, err := r.store.open(); err != nil {
		t.Fatal(err)
	}
	known := func() map[int]uint64 {
		t.Helper()
		st := store{dir: r.store.dir}
		if _, err := st.open(); err != nil {
			t.Fatal(err)
		}
		return st.pipes["web"]
	}
	file, err := os.Create(filepath.Join(t.TempDir(), "pipe"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	inode := logs.Inode(file)
	put := func() {
		t.Helper()
		rec := r.recordOf(r.svc)
		if err := r.store.put("web", &rec); err != nil {
			t.Fatal(err)
		}
	}
	put()
	r.willBear(logs.Key{Name: "web", Gen: 2}, file)
	if got := known(); !maps.Equal(got, map[int]uint64{2: inode}) {
		t.Errorf("%v, want that of run 2", got)
	}
	r.svc.runs[2] = &run{pipe: inode}
	r.svc.spare = &spare{gen: 3, child: -1, reader: -1, pipe: 4711}
	put()
	if got := known(); !maps.Equal(got, map[int]uint64{2: inode, 3: 4711}) {
		t.Errorf("%v, want those of run 2 and of the next", got)
	}
	r.svc.runs[2].pid, r.svc.spare = 812, nil
	put()
	if got := known(); len(got) != 0 {
		t.Errorf("%v, but all are born", got)
	}
	r.willBear(logs.Key{Name: "web", Gen: 3}, file)
	if err := r.store.put("web", nil); err != nil {
		t.Fatal(err)
	}
	if got := known(); len(got) != 0 {
		t.Errorf("%v, of a service that is gone", got)
	}
}

// Of those that have a pipe the main process is found, though a child of its leads a
// group too.
func TestEldest(t *testing.T) {
	child, reader, err := logs.Make(logs.Key{Name: "web", Gen: 1}, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	inode := logs.Inode(child)
	in, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	ready, says, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer ready.Close()
	cmd := exec.Command("sh", "-c", "setsid sh -c 'echo >&4; cat <&3' & cat <&3; wait")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = child, child, []*os.File{in, says}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer w.Close() // they end by that
	child.Close()
	in.Close()
	says.Close()
	if _, err := ready.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	holders := logs.Holders([]uint64{inode, 4711})
	pids := holders[inode]
	if len(holders) != 1 || len(pids) < 2 {
		t.Errorf("%v, want several of %d", holders, inode)
	}
	for range 2 {
		if p, ok := eldest(pids); !ok || p.Pid != cmd.Process.Pid {
			t.Errorf("%+v, want %d", p, cmd.Process.Pid)
		}
		slices.Reverse(pids)
	}
	if _, ok := eldest([]int{os.Getpid() + 1<<22}); ok {
		t.Error("there is no such process")
	}
}
