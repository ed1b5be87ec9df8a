package watch

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the stories with what happens now")

// Every file in testdata is a story: "policy KEY=VALUE…" to begin with, then "what
// happens => what is under way, for how long, and what is told". "change FILE"
// gives a file other contents, "rewrite FILE" the same again; "meanwhile …" comes
// about while contents are compared next.
func TestStories(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.txt")
	if len(files) == 0 {
		t.Fatal("no stories")
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := tell(t, string(want))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("the story goes differently now (-update rewrites it):\n%s", diff)
			}
		})
	}
}

// teller replays a story, with files that are numbers in a map.
type teller struct {
	s         settling
	now       time.Time
	is        map[string]int // contents
	loaded    map[string]int
	meanwhile []func()
	said      []string
	edits     int
	check     func(counts bool) // if set, called for each comparison
}

func newTeller() *teller {
	return &teller{s: settling{debounce: 2 * time.Second}, now: time.Unix(1e9, 0), is: map[string]int{}, loaded: map[string]int{}}
}

func tell(t *testing.T, story string) string {
	tl := newTeller()
	var out strings.Builder
	for in := bufio.NewScanner(strings.NewReader(story)); in.Scan(); {
		line := in.Text()
		said, _, _ := strings.Cut(line, "=>")
		words := strings.Fields(said)
		switch {
		case len(words) == 0 || strings.HasPrefix(line, "#"):
			fmt.Fprintln(&out, line)
		case words[0] == "policy":
			for _, w := range words[1:] {
				key, value, _ := strings.Cut(w, "=")
				d, _ := time.ParseDuration(value)
				switch key {
				case "debounce":
					tl.s.debounce = d
				case "max-delay":
					tl.s.maxDelay = d
				case "stamp":
					tl.s.stamped = true
				default:
					t.Fatalf("no such policy: %s", w)
				}
			}
			fmt.Fprintln(&out, line)
		case words[0] == "meanwhile":
			tl.meanwhile = append(tl.meanwhile, func() { tl.happens(words[1:]) })
			fmt.Fprintln(&out, line)
		case words[0] == "after":
			d, err := time.ParseDuration(words[1])
			if err != nil {
				t.Fatal(err)
			}
			tl.after(d)
			fmt.Fprintf(&out, "%-24s => %s\n", strings.TrimSpace(said), tl.state())
		default:
			if !tl.happens(words) {
				t.Fatalf("what is %q?", said)
			}
			tl.next()
			fmt.Fprintf(&out, "%-24s => %s\n", strings.TrimSpace(said), tl.state())
		}
	}
	return out.String()
}

// happens does what words say to the files and tells it, as the kernel would.
func (tl *teller) happens(words []string) bool {
	name := strings.Join(words[1:], " ")
	at := place{"/app", name}
	edit := func() { tl.edits++; tl.is[name] = tl.edits }
	switch words[0] {
	case "change":
		edit()
		tl.s.change(tl.now, at)
	case "rewrite":
		tl.s.change(tl.now, at)
	case "write":
		edit()
		tl.s.write(tl.now, at)
	case "close":
		tl.s.close(tl.now, at)
	case "remove":
		for f := range tl.is {
			if f == name || strings.HasPrefix(f, name+"/") {
				delete(tl.is, f)
			}
		}
		tl.s.gone(tl.now, at)
	case "temp":
		tl.s.temp(tl.now, at, true)
	case "temp-closed":
		tl.s.temp(tl.now, at, false)
	case "temp-gone":
		tl.s.tempGone(tl.now, at)
	case "overflow":
		tl.s.forget()
		tl.s.change(tl.now, place{})
	case "touch":
		tl.s.touch(tl.now, place{under: "/app/restart.txt"})
	case "pause":
		tl.s.pause()
	case "resume":
		tl.s.resume(tl.now)
	case "loaded":
		tl.take()
		tl.s.loaded()
	default:
		return false
	}
	return true
}

// take has what is there now loaded, and counts what differs.
func (tl *teller) take() (n int) {
	for f, is := range tl.is {
		if tl.loaded[f] != is {
			n++
		}
		tl.loaded[f] = is
	}
	for f := range tl.loaded {
		if tl.is[f] == 0 {
			n++
			delete(tl.loaded, f)
		}
	}
	return n
}

// next does what is to be done, and says when it is to be asked again.
func (tl *teller) next() time.Time {
	for {
		do, at := tl.s.next(tl.now)
		switch do {
		case stalled:
			tl.said = append(tl.said, "stalled("+tl.s.String()+")")
		case compare:
			for _, f := range tl.meanwhile {
				f()
			}
			again := tl.meanwhile != nil
			tl.meanwhile = nil
			counts := tl.s.compared()
			if tl.check != nil {
				tl.check(counts)
			}
			if !counts {
				if !again {
					panic("bug: nothing has happened")
				}
				continue
			}
			if tl.s.stamped {
				tl.said = append(tl.said, "settled(stamp)")
			} else if n := tl.take(); n > 0 {
				tl.said = append(tl.said, fmt.Sprintf("settled(%d)", n))
			} else {
				tl.said = append(tl.said, "same")
			}
		default:
			return at
		}
	}
}

// after lets time pass.
func (tl *teller) after(d time.Duration) {
	end := tl.now.Add(d)
	for {
		at := tl.next()
		if at.IsZero() || at.After(end) {
			tl.now = end
			return
		}
		if !at.After(tl.now) {
			panic("bug: it asks for now")
		}
		tl.now = at
	}
}

func (tl *teller) state() string {
	_, at := tl.s.next(tl.now)
	words := []string{"nothing"}
	if !tl.s.since.IsZero() {
		words = []string{tl.s.String() + ","}
		switch {
		case tl.s.paused:
			words = append(words, "paused")
		case at.IsZero():
			words = append(words, "waits")
		default:
			words = append(words, "waits", at.Sub(tl.now).String())
		}
	} else if tl.s.paused {
		words = append(words, "paused")
	}
	words = append(words, tl.said...)
	tl.said = nil
	return strings.Join(words, " ")
}
