package logs

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// shelfOf is a shelf with a current log of that size, and rotated ones: "3h:100"
// is one rotated three hours before noon that takes 100 bytes, with "z" at its
// end compressed, with "+" both.
func shelfOf(stem string, current int64, all string) *shelf {
	s := &shelf{stem: stem, current: current}
	for _, f := range strings.Fields(all) {
		age, size, _ := strings.Cut(f, ":")
		before, err := time.ParseDuration(age)
		if err != nil {
			panic(err)
		}
		at := noon.Add(-before)
		p := &past{stem: strings.TrimSuffix(rotatedName(stem, at), logSuffix), at: at}
		digits := strings.TrimRight(size, "z+")
		file := piece{there: true}
		if _, err := fmt.Sscan(digits, &file.size); err != nil {
			panic(err)
		}
		switch size[len(digits):] {
		case "z":
			p.zip = file
		case "+":
			p.zip, p.log = piece{there: true}, file
		default:
			p.log = file
		}
		s.past = append(s.past, p)
	}
	return s
}

// ages are the hours before noon of rotated logs, and their stems but "web".
func ages(all []*past) string {
	var s []string
	for _, p := range all {
		name, _, _ := strings.Cut(p.stem, "-")
		s = append(s, strings.TrimPrefix(name, "web")+fmt.Sprintf("%.0f", noon.Sub(p.at).Hours()))
	}
	return strings.Join(s, " ")
}

func TestSurplus(t *testing.T) {
	for _, tt := range []struct {
		about      string
		policy     Policy
		web, err   string
		left       bool // nothing is written to err
		current    int64
		room       bool
		gone, stay string
		next       float64 // hours after noon
	}{
		{about: "nothing", policy: Policy{Keep: 1, MaxAge: time.Hour, MaxTotal: 1}},
		{about: "no limits", web: "9h:5 8h:5z", stay: "9 8"},
		{about: "keep", policy: Policy{Keep: 2}, web: "9h:5 8h:5 7h:5", gone: "9", stay: "8 7"},
		{about: "keep counts both forms as one", policy: Policy{Keep: 2}, web: "9h:5+ 8h:5+", stay: "9 8"},
		{about: "keep is of each stem", policy: Policy{Keep: 1}, web: "9h:5 5h:5", err: "8h:5 6h:5", gone: "9 .err8", stay: ".err6 5"},
		{about: "age", policy: Policy{MaxAge: 8 * time.Hour}, web: "9h:5 8h:5 7h:5", gone: "9 8", stay: "7", next: 1},
		{about: "age of both stems", policy: Policy{MaxAge: 8 * time.Hour}, web: "6h:5", err: "9h:5 7h:5", gone: ".err9", stay: ".err7 6", next: 1},
		{about: "a clock that was set back", policy: Policy{MaxAge: time.Hour}, web: "-5h:5", stay: "-5", next: 6},
		{about: "total", policy: Policy{MaxTotal: 15}, web: "9h:5 8h:5 7h:5", current: 5, gone: "9", stay: "8 7"},
		{about: "total is not passed when it is reached", policy: Policy{MaxTotal: 20}, web: "9h:5 8h:5 7h:5", current: 5, stay: "9 8 7"},
		{about: "total goes over both stems", policy: Policy{MaxTotal: 15}, web: "9h:5 6h:5", err: "8h:5 7h:5", gone: "9", stay: ".err8 .err7 6"},
		{about: "total counts what keep has left", policy: Policy{MaxTotal: 15, Keep: 2}, web: "9h:50 8h:5 7h:5", gone: "9", stay: "8 7"},
		{about: "total, the current log is too large alone", policy: Policy{MaxTotal: 15}, web: "9h:5", current: 50, gone: "9"},
		{about: "room for the current log", policy: Policy{MaxTotal: 20, MaxSize: 10}, web: "9h:5 8h:5 7h:5", room: true, gone: "9", stay: "8 7"},
		{about: "room for half", policy: Policy{MaxTotal: 20}, web: "9h:5 8h:5 7h:5", room: true, gone: "9", stay: "8 7"},
		{about: "room for half, two stems", policy: Policy{MaxTotal: 20}, web: "9h:5 8h:5", err: "7h:5", room: true, gone: "9", stay: "8 .err7"},
		{about: "no room for what is left", policy: Policy{MaxTotal: 20, MaxSize: 5}, web: "9h:5 8h:5", err: "7h:5", left: true, room: true, stay: "9 8 .err7"},
		{about: "room that is taken", policy: Policy{MaxTotal: 20, MaxSize: 10}, web: "9h:5 8h:5 7h:5", current: 10, room: true, gone: "9", stay: "8 7"},
	} {
		t.Run(tt.about, func(t *testing.T) {
			shelves := []*shelf{shelfOf("web", tt.current, tt.web)}
			if tt.err != "" {
				shelves = append(shelves, shelfOf("web.err", 0, tt.err))
				shelves[1].left = tt.left
			}
			gone, stay, next := tt.policy.surplus(shelves, noon, tt.room)
			if ages(gone) != tt.gone || ages(stay) != tt.stay {
				t.Errorf("gone %q, stay %q", ages(gone), ages(stay))
			}
			var want time.Time
			if tt.next != 0 {
				want = noon.Add(time.Duration(tt.next * float64(time.Hour)))
			}
			if !next.Equal(want) {
				t.Errorf("next at %v", next)
			}
		})
	}
}

// FuzzSurplus: what goes is needed to go, what stays may stay, and older goes before newer.
func FuzzSurplus(f *testing.F) {
	f.Add(uint64(1), 3, int64(3600), int64(1000), int64(100), true)
	f.Add(uint64(2), 0, int64(0), int64(1), int64(0), false)
	f.Fuzz(func(t *testing.T, seed uint64, keep int, age, total, size int64, room bool) {
		r := rand.New(rand.NewPCG(seed, 0))
		p := Policy{Keep: max(0, keep), MaxAge: time.Duration(max(0, age)), MaxTotal: max(0, total), MaxSize: max(0, size)}
		var shelves []*shelf
		var all []*past
		var current int64
		for i := range 1 + r.IntN(2) {
			s := &shelf{stem: fmt.Sprint("s", i), current: r.Int64N(1000)}
			at := noon
			for range r.IntN(20) {
				at = at.Add(time.Duration(r.Int64N(1e10)) - time.Hour)
				file := piece{there: true, size: r.Int64N(1000)}
				s.past = append(s.past, &past{stem: fmt.Sprint(s.stem, len(s.past)), at: at, log: file})
			}
			sortPast(s.past)
			shelves, all, current = append(shelves, s), append(all, s.past...), current+s.current
		}
		gone, stay, next := p.surplus(shelves, noon, room)
		if len(gone)+len(stay) != len(all) {
			t.Fatalf("%d of %d and %d", len(all), len(gone), len(stay))
		}
		used := current
		for _, x := range stay {
			used += x.size()
			if p.MaxAge > 0 && noon.Sub(x.at) >= p.MaxAge {
				t.Errorf("%s is too old", x.stem)
			}
			if p.MaxAge > 0 && x.at.Add(p.MaxAge).Before(next) {
				t.Errorf("%s is too old before %v", x.stem, next)
			}
		}
		if p.MaxTotal > 0 && used > p.MaxTotal && len(stay) > 0 {
			t.Errorf("%d bytes stay", used)
		}
		if !slices.IsSortedFunc(stay, func(a, b *past) int { return a.at.Compare(b.at) }) {
			t.Error("not sorted")
		}
		for _, s := range shelves {
			left := 0
			for i, x := range s.past {
				stays := slices.Contains(stay, x)
				if stays {
					left++
				} else if left > 0 {
					t.Errorf("%s goes before an older one", s.past[i].stem)
				}
			}
			if p.Keep > 0 && left > p.Keep {
				t.Errorf("%d of %s stay", left, s.stem)
			}
		}
		if len(gone) == 0 || room {
			return
		}
		// The newest that went could not have stayed.
		last := gone[len(gone)-1]
		newer := 0
		for _, s := range shelves {
			if i := slices.Index(s.past, last); i >= 0 {
				newer = len(s.past) - i
			}
		}
		if (p.MaxAge == 0 || noon.Sub(last.at) < p.MaxAge) && (p.Keep == 0 || newer <= p.Keep) &&
			(p.MaxTotal == 0 || used+last.size() <= p.MaxTotal) {
			t.Errorf("%s need not have gone", last.stem)
		}
	})
}

// BenchmarkSurplus: all rotated logs of 1000 services.
func BenchmarkSurplus(b *testing.B) {
	var shelves []*shelf
	for i := range 1000 {
		s := &shelf{stem: fmt.Sprint("s", i)}
		for j := range 11 {
			s.past = append(s.past, &past{stem: fmt.Sprint(s.stem, j), at: noon.Add(time.Duration(i*7%13+j*1000) * time.Second), log: piece{there: true, size: 1000}})
		}
		shelves = append(shelves, s)
	}
	p := Policy{Keep: 10, MaxAge: 1e6 * time.Hour, MaxTotal: 9e6}
	for b.Loop() {
		if gone, _, _ := p.surplus(shelves, noon, true); len(gone) == 0 {
			b.Fatal("none goes")
		}
	}
}
