package logs

import (
	"slices"
	"strings"
	"testing"
)

// TestFollowOver: who follows until something is over gets all that was written by then, a last line without an end too.
func TestFollowOver(t *testing.T) {
	r := newRig(t)
	file := NewFile(r.logs, "web")
	key := Key{Name: "web", Gen: 1}
	child := r.run(key, file)
	write := func(text string) {
		r.write(child, text)
		r.sync(key)
	}
	write("one\n")
	over := make(chan struct{})
	var got []string
	err := Read(t.Context(), []Source{{Service: "web", File: file}}, Query{Lines: -1, Follow: true, Over: over}, func(l *Line) error {
		switch {
		case l == nil && len(got) == 1:
			write("two\n")
		case l == nil && len(got) == 2:
			write("three\n")
			rotate(t, r.logs, "web", 1000)
			if err := r.Reopen(t.Context()); err != nil {
				t.Fatal(err)
			}
			write("four\nfi")
			close(over)
		case l == nil || l.Mark:
		default:
			got = append(got, string(l.Text))
		}
		return nil
	})
	if err != nil || !slices.Equal(got, []string{"one", "two", "three", "four", "fi"}) {
		t.Errorf("%q, %v", got, err)
	}
	if len(file.watchers) != 0 {
		t.Error("somebody is still told")
	}
}

// The same of what went to gsv's standard output.
func TestFollowTailOver(t *testing.T) {
	r := newRig(t)
	out := newOutput(t)
	p := out.As(Prefix)
	key := Key{Name: "web", Gen: 1}
	child := r.run(key, p)
	r.write(child, "one\n")
	r.sync(key)
	over := make(chan struct{})
	var got strings.Builder
	err := p.Read(t.Context(), -1, true, over, func(b []byte) error {
		if got.Len() == 0 {
			r.write(child, "two\n")
			r.sync(key)
			close(over)
		}
		got.Write(b)
		return nil
	})
	if err != nil || got.String() != "one\ntwo\n" {
		t.Errorf("%q, %v", got.String(), err)
	}
	out.close()
}
