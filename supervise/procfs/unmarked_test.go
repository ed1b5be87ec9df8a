package procfs

import (
	"os"
	"slices"
	"testing"
)

func TestUnmarked(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	plain, _ := start(t, []string{"XGSV_SERVICE=web", "A=b"})
	marked, _ := start(t, []string{"GSV_SERVICE=web"})
	gone, stop := start(t, nil)
	stop()
	link := t.TempDir() + "/link"
	if err := os.Symlink(self, link); err != nil {
		t.Fatal(err)
	}
	pids := []int{marked, plain, gone, os.Getppid(), -1}
	for _, path := range []string{self, link} {
		procs := Unmarked(pids, path)
		if len(procs) != 1 || procs[0].Pid != plain {
			t.Errorf("%s: %+v", path, procs)
		}
	}
	for _, path := range []string{"/bin/sh", "/no/such/program", ""} {
		if procs := Unmarked(pids, path); len(procs) != 0 {
			t.Errorf("%s: %+v", path, procs)
		}
	}
	// One that leads no session is none.
	child, _ := start(t, nil, "parent")
	children, err := Children(child)
	if err != nil || len(children) != 1 {
		t.Fatal(children, err)
	}
	if procs := Unmarked(slices.Concat(children, []int{plain}), self); len(procs) != 1 || procs[0].Pid != plain {
		t.Errorf("%+v", procs)
	}
}
