package supervise

import (
	"slices"
	"strings"
	"testing"

	"gsv/supervise/lifecycle"
	"gsv/supervise/status"
)

func TestFirstLines(t *testing.T) {
	wide := strings.Repeat("x", shownBytes/2)
	for _, tt := range []struct {
		name     string
		in, want []string
	}{
		{"none", nil, nil},
		{"all", []string{"a", "b", "c"}, []string{"a", "b", "c"}},
		{"too many", []string{"a", "b", "c", "d"}, []string{"a", "b", "c", andMore}},
		{"too wide", []string{"a", wide, wide}, []string{"a", wide, andMore}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := firstLines(tt.in, 3)
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %d lines, want %d", len(got), len(tt.want))
			}
			if full(got) != slices.Contains(tt.want, andMore) {
				t.Error("it is not known whether there are more")
			}
		})
	}
}

// What a service is chatty about is not in its state, which is written with every change.
func TestOutputIsNotRecorded(t *testing.T) {
	s := &Supervisor{}
	svc := &service{recent: []string{"short", "long"}, state: lifecycle.State{Ops: []lifecycle.Op{{ID: "open"}}}}
	for id, line := range map[string]string{"short": "cannot bind", "long": strings.Repeat("x", recordedBytes+1), "open": "begun"} {
		s.ops.add(&operation{Operation: status.Operation{ID: id, Log: []string{line}}, svc: svc})
	}
	kept := map[string]int{}
	for _, op := range s.ops.of(svc) {
		kept[op.ID] = len(op.Log)
	}
	if kept["short"] != 1 || kept["long"] != 0 || kept["open"] != 0 || len(kept) != 3 {
		t.Errorf("lines that are kept: %v", kept)
	}
	if len(s.ops.get("long").Log) != 1 {
		t.Error("what is not written to disk is forgotten altogether")
	}
}
