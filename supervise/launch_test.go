package supervise

import (
	"os"
	"strings"
	"testing"
	"time"

	"gsv/supervise/definition"
	"gsv/supervise/lifecycle"
	"gsv/supervise/listen"
	"gsv/supervise/logs"
	"gsv/supervise/spawn"
)

// A start that fails when its files have been made leaves none of them open: its output
// is read to its end.
func TestFailedStartClosesItsFiles(t *testing.T) {
	drained := make(chan logs.Key, 1)
	pump, err := logs.NewPump(logs.Options{Drained: func(key logs.Key) { drained <- key }})
	if err != nil {
		t.Fatal(err)
	}
	defer pump.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	file, address, err := listen.Private()
	if err != nil {
		t.Fatal(err)
	}
	d := &definition.Definition{Name: "web", Command: []string{"true"}, Listen: []definition.Socket{{Name: "a", Network: "tcp", Address: "127.0.0.1:9"}}}
	s := &Supervisor{pump: pump, null: null, services: map[string]*service{}, mains: map[int]int{}}
	svc := &service{name: "web", def: d, out: logs.NewFile(t.TempDir(), "web"), runs: map[int]*run{1: {def: d, n: 1, born: 1}},
		state: lifecycle.State{Want: lifecycle.Up, Gen: 1, Runs: []lifecycle.Run{{Gen: 1, Phase: lifecycle.Starting}}}}
	s.services["web"] = svc
	s.launchWith(svc, 1, birth{uid: -1, spec: &spawn.Spec{}, private: private{file, address}}, nil) // its socket is not held
	if svc.runs[1].launched {
		t.Fatal("it was started")
	}
	select {
	case key := <-drained:
		if key.Gen != 1 {
			t.Errorf("the output of %v has ended", key)
		}
	case <-time.After(10 * time.Second):
		t.Error("its output is open still")
	}
	if _, err := file.Stat(); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("its private socket is open still: %v", err)
	}
}
