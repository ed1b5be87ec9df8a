package logs

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestMerge(t *testing.T) {
	dir := logDir(t)
	makeLog(t, dir, "web", wrote{0, 1, "w1\nw2\n"}, wrote{300, 1, "w3\n"})
	rotate(t, dir, "web", 1000)
	makeLog(t, dir, "web", wrote{1500, 1, "w4\nno end"})
	makeLog(t, dir, "db", wrote{100, 5, "d1\n"}, wrote{300, 5, "d2\n"}, wrote{1600, 6, "d3\n"})
	makeLog(t, dir, "web.err", wrote{200, 1, "e1\n"}, wrote{1550, 1, "e2\n"})
	web, db := of(dir, "web"), of(dir, "db")
	errs := Source{Service: "web", File: NewFile(dir, "web.err"), Err: true}
	all := []string{"0 1 w1", "0 1 w2", "100 5 d1", "err 200 1 e1", "300 1 w3", "300 5 d2", "1500 1 w4", "1500 1 no end", "err 1550 1 e2", "1600 6 d3"}
	for _, tt := range []struct {
		name    string
		q       Query
		sources []Source
		want    []string
	}{
		{"all", Query{Lines: -1}, []Source{web, errs, db}, all},
		{"the last two of each service", Query{Lines: 2}, []Source{web, errs, db}, []string{all[5], all[7], all[8], all[9]}},
		{"the last of each service", Query{Lines: 1}, []Source{web, errs, db}, all[8:]},
		{"none", Query{}, []Source{web, errs, db}, nil},
		{"since", Query{Lines: -1, Since: ms(300)}, []Source{db, web, errs}, append([]string{all[5], all[4]}, all[6:]...)},
		{"one has none", Query{Lines: -1}, []Source{of(dir, "nosuch"), db}, []string{all[2], all[5], all[9]}},
		{"no log at all", Query{Lines: -1}, []Source{of(filepath.Join(dir, "nosuch"), "web")}, nil},
		{"nobody", Query{Lines: -1}, nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := read(t, tt.q, tt.sources...); !slices.Equal(got, tt.want) {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// A lineFollower is a Read in a goroutine.
type lineFollower struct {
	t     *testing.T
	lines chan string
	end   chan error
	stop  context.CancelFunc
	at    map[string]string // cursors by service
}

func followLines(t *testing.T, q Query, sources ...Source) *lineFollower {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	f := &lineFollower{t: t, lines: make(chan string, 1000), end: make(chan error, 1), stop: stop, at: map[string]string{}}
	q.Follow = true
	go func() {
		f.end <- Read(ctx, sources, q, func(l *Line) error {
			switch {
			case l == nil:
				f.lines <- "-"
			case l.Mark:
				f.at[l.Service] = l.Cursor().String()
			default:
				f.at[l.Service] = l.Cursor().String()
				f.lines <- l.Service + " " + string(l.Text)
			}
			return nil
		})
	}()
	t.Cleanup(stop)
	f.wait("-")
	return f
}

// wait returns what comes up to that line.
func (f *lineFollower) wait(last string) (before []string) {
	f.t.Helper()
	for {
		select {
		case line := <-f.lines:
			if line == last {
				return before
			}
			if line != "-" {
				before = append(before, line)
			}
		case err := <-f.end:
			f.t.Fatalf("it ended before %q: %v", last, err)
		}
	}
}

func (f *lineFollower) want(lines ...string) {
	f.t.Helper()
	got := append(f.wait(lines[len(lines)-1]), lines[len(lines)-1])
	if !slices.Equal(got, lines) {
		f.t.Fatalf("%q, want %q", got, lines)
	}
}

// end ends it and returns how far it was.
func (f *lineFollower) ends() map[string]string {
	f.t.Helper()
	f.stop()
	if err := <-f.end; err != context.Canceled {
		f.t.Error(err)
	}
	return f.at
}

// moveAway rotates a log that is being written.
func (r *rig) moveAway(name string, at int) {
	r.Helper()
	rotate(r, r.logs, name, at)
	if err := r.Reopen(r.Context()); err != nil {
		r.Fatal(err)
	}
}

func TestFollowLines(t *testing.T) {
	r := newRig(t)
	web, db := Source{"web", NewFile(r.logs, "web"), false, ""}, Source{"db", NewFile(r.logs, "db"), false, ""}
	webs, dbs := r.run(Key{Name: "web", Gen: 1}, web.File), r.run(Key{Name: "db", Gen: 1}, db.File)
	f := followLines(t, Query{Lines: 10}, web, db) // before there is a file
	r.write(webs, "one\ntw")
	f.want("web one")
	r.write(webs, "o\n")
	f.want("web two")
	r.write(dbs, "x\n")
	f.want("db x")

	// It is rotated, and once more before anybody has looked.
	r.moveAway("web", 1000)
	r.write(webs, "three\n")
	f.want("web three")
	r.write(webs, "no end")
	r.sync(Key{Name: "web", Gen: 1})
	r.moveAway("web", 2000)
	r.write(webs, "four\n")
	f.want("web no end", "web four")

	if err := os.Truncate(web.File.Path(), 0); err != nil {
		t.Fatal(err)
	}
	r.write(webs, "5\n")
	f.want("web 5")
	if err := os.Remove(web.File.Path()); err != nil {
		t.Fatal(err)
	}
	r.write(webs, "six\n")
	f.want("web six")
	f.ends()
	if len(web.File.watchers)+len(db.File.watchers) != 0 {
		t.Error("somebody is still told")
	}
}

// Only what matches is told, of what comes too.
func TestFollowMatching(t *testing.T) {
	r := newRig(t)
	web := Source{"web", NewFile(r.logs, "web"), false, ""}
	child := r.run(Key{Name: "web", Gen: 1}, web.File)
	r.write(child, "yes 1\nno\nyes 2\nno\nye")
	r.sync(Key{Name: "web", Gen: 1})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var got []string
	err := Read(ctx, []Source{web}, Query{Lines: 1, Follow: true, Match: func(b []byte) bool { return strings.HasPrefix(string(b), "yes") }}, func(l *Line) error {
		switch {
		case l == nil && len(got) == 1:
			r.write(child, "s 3\nno\n")
		case l == nil || l.Mark:
		default:
			if got = append(got, string(l.Text)); len(got) == 2 {
				stop()
			}
		}
		return nil
	})
	if err != context.Canceled || !slices.Equal(got, []string{"yes 2", "yes 3"}) {
		t.Errorf("%q, %v", got, err)
	}
}

// A reader that sleeps over rotations, one of them compressed, misses nothing.
func TestSlowOverRotations(t *testing.T) {
	key := Key{Name: "web", Gen: 1}
	for name, follow := range map[string]func(ctx context.Context, file *File, got func(string)) error{
		"lines": func(ctx context.Context, file *File, got func(string)) error {
			return Read(ctx, []Source{{Service: "web", File: file}}, Query{Lines: 1, Follow: true}, func(l *Line) error {
				if l != nil && !l.Mark {
					got(string(l.Text) + "\n")
				}
				return nil
			})
		},
		"raw": func(ctx context.Context, file *File, got func(string)) error {
			return file.Raw(ctx, 1, true, "", func(_ Cursor, b []byte) error { got(string(b)); return nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			file := NewFile(r.logs, "web")
			child := r.run(key, file)
			r.write(child, "begin\n")
			r.sync(key)
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			text := ""
			err := follow(ctx, file, func(s string) {
				if text == "" && s != "" {
					for i := range 5 {
						r.write(child, fmt.Sprint(i, "a\n", i, "b\n"))
						r.sync(key)
						to := rotate(t, r.logs, "web", 1000*(i+1))
						if i == 3 {
							zip(t, r.logs, to, false)
						}
						if err := r.Reopen(t.Context()); err != nil {
							t.Fatal(err)
						}
					}
					r.write(child, "last\n")
					r.sync(key)
				}
				if text += s; strings.HasSuffix(text, "last\n") {
					stop()
				}
			})
			want := "begin\n0a\n0b\n1a\n1b\n2a\n2b\n3a\n3b\n4a\n4b\nlast\n"
			if err != context.Canceled || text != want {
				t.Errorf("%q, %v; want %q", text, err, want)
			}
		})
	}
}

// What is read from a cursor on is what was not told before it, whatever the
// files are called by now.
func TestCursor(t *testing.T) {
	dir := made(t)
	var cursors []string
	err := Read(t.Context(), []Source{of(dir, "web")}, Query{Lines: -1}, func(l *Line) error {
		cursors = append(cursors, l.Cursor().String())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	check := func() {
		t.Helper()
		for i, at := range cursors {
			src := of(dir, "web")
			src.From = at
			if got := read(t, Query{Lines: 1}, src); !slices.Equal(got, madeLines[i+1:]) {
				t.Errorf("after %q: %q", madeLines[i], got)
			}
		}
	}
	check()
	makeLog(t, dir, "web", wrote{2500, 4, "\n"})
	to := rotate(t, dir, "web", 3000)
	cursors = cursors[:len(cursors)-1] // it is in front of an end of a line now
	check()
	zip(t, dir, to, false)
	check()

	// Counted in bytes, over the ends of files.
	all := "one\ntwo\nthree\nno endfour\nfive\nhalf of it\nsix\nseven\neight\nnine\n"
	begin := ""
	err = NewFile(dir, "web").Raw(t.Context(), -1, false, "", func(at Cursor, b []byte) error {
		if len(b) == 0 {
			begin = at.String()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for n := range all {
		got := ""
		err := NewFile(dir, "web").Raw(t.Context(), 0, false, fmt.Sprint(begin, "+", n), func(_ Cursor, b []byte) error { got += string(b); return nil })
		if err != nil || got != all[n:] {
			t.Fatalf("+%d: %q, %v", n, got, err)
		}
	}

	// What it was in is gone: as without one.
	src := of(dir, "web")
	if src.From = "1.2.3.4"; !slices.Equal(read(t, Query{Lines: 1}, src), madeLines[11:]) {
		t.Error("not the last line")
	}
	for _, bad := range []string{"x", "1.2.3", "1.2.3.4.5", "1.2.3.-4", "1.2.3.4+", "1.2.3.4+-1", "1.2.3.9223372036854775807+1", strings.Repeat("9", 99)} {
		if _, err := ParseCursor(bad); err == nil {
			t.Errorf("%q is one", bad)
		}
	}
}

// A follower goes on where another was killed, also where there was no file yet.
func TestFollowFromCursor(t *testing.T) {
	r := newRig(t)
	web, db := Source{"web", NewFile(r.logs, "web"), false, ""}, Source{"db", NewFile(r.logs, "db"), false, ""}
	webs, dbs := r.run(Key{Name: "web", Gen: 1}, web.File), r.run(Key{Name: "db", Gen: 1}, db.File)
	r.write(webs, "one\ntwo\n")
	r.sync(Key{Name: "web", Gen: 1})
	first := followLines(t, Query{}, web, db)
	at := first.ends()
	r.write(webs, "three\n")
	r.sync(Key{Name: "web", Gen: 1})
	r.moveAway("web", 1000)
	r.write(webs, "four\n")
	r.write(dbs, "x\n")
	r.sync(Key{Name: "web", Gen: 1})
	r.sync(Key{Name: "db", Gen: 1})
	web.From, db.From = at["web"], at["db"]
	got := read(t, Query{}, web, db)
	for i := range got {
		got[i] = got[i][strings.LastIndexByte(got[i], ' ')+1:]
	}
	slices.Sort(got)
	if !slices.Equal(got, []string{"four", "three", "x"}) {
		t.Errorf("%q", got)
	}
}

// Others have cut the log short: what its index said before is forgotten.
func TestFollowCutShort(t *testing.T) {
	dir := logDir(t)
	makeLog(t, dir, "web", wrote{0, 1, "one\n"}, wrote{100, 2, "two\n"}, wrote{200, 3, "three\n"})
	web := of(dir, "web")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var got []string
	err := Read(ctx, []Source{web}, Query{Lines: 3, Follow: true}, func(l *Line) error {
		switch {
		case l == nil && len(got) == 3:
			for _, path := range []string{web.File.Path(), filepath.Join(dir, indexDir, "web")} {
				size := int64(0)
				if path != web.File.Path() {
					size = indexHeader
				}
				if err := os.Truncate(path, size); err != nil {
					t.Fatal(err)
				}
			}
			makeLog(t, dir, "web", wrote{900, 9, "new\n"})
			web.File.nudge()
		case l == nil || l.Mark:
		default:
			if got = append(got, fmt.Sprint(l.Time.Sub(start).Milliseconds(), " ", l.Gen, " ", string(l.Text))); len(got) == 4 {
				stop()
			}
		}
		return nil
	})
	if err != context.Canceled || !slices.Equal(got, []string{"0 1 one", "100 2 two", "200 3 three", "900 9 new"}) {
		t.Errorf("%q, %v", got, err)
	}
}
