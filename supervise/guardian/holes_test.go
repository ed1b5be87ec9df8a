package guardian

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"gsv/supervise/spawn"
)

func TestHoles(t *testing.T) { play(t, nil, "holes").end(0) }

// full are the child's files of pattern, one a character: a hole where it is a dot, else a file with that character.
func full(s *scene, pattern string) (files []File) {
	for _, c := range []byte(pattern) {
		if c == '.' {
			files = append(files, File{})
			continue
		}
		fd, err := unix.MemfdCreate("test", unix.MFD_CLOEXEC)
		if err != nil {
			s.fail("%v", err)
		}
		if _, err := unix.Pwrite(fd, []byte{c, '\n'}, 0); err != nil {
			s.fail("%v", err)
		}
		files = append(files, File{File: unpolled(fd, "test")})
	}
	return files
}

// finds is a run that ends with 4 if its files are those of pattern.
func finds(pattern string) *spawn.Spec {
	script := `n=0; while [ "$1" ]; do rest=${1#?}; want=${1%"$rest"}; got=.; [ ! -e /proc/$$/fd/$n ] || read got </proc/$$/fd/$n
		[ "$want" = "$got" ] || exit 5; n=$((n+1)); set -- "$rest"; done; exit 4`
	return sh(script, pattern)
}

func sceneHoles(s *scene) {
	long := strings.Repeat("x", 70_000)
	const most = maxFiles - 1
	patterns := []string{
		"", ".", "..", "abc", "abc.", ".abc", "a.b", "ab.c.d", "a..b...c....", "....abc", strings.Repeat(".", most),
		strings.Repeat("a.", most/2), strings.Repeat(".b", most/2), strings.Repeat("c", most), strings.Repeat(".", most-1) + "d",
	}
	n := uint64(0)
	check := func(what string) {
		want[Started](s)
		if e := want[Ended](s); e.N != n || e.Status != 4<<8 {
			s.fail("%s: %+v, want exit 4", what, e)
		}
		s.Ack("web", n)
	}
	for _, pattern := range patterns {
		spec := finds(pattern)
		for range 2 {
			n += 2
			s.Start("web", n, spec, full(s, pattern), nil)
			check(pattern)
			spec.Env = append(spec.Env, "BIG="+long) // the second time, in a file of its own
		}
		n += 2
		first := s.begin("web", n, sleeps)
		s.Arm("web", n+1, sleeps, full(s, pattern), nil)
		s.Arm("web", n+1, finds(pattern), full(s, pattern), nil)
		s.flush()
		s.crash(first, true)
		n++
		check(pattern + " armed")
	}
	n++
	m := newMark(s)
	s.Start("web", n, finds(".a.b."), full(s, ".a.b."), m.keep())
	check("with one held")
	m.gone(s, false)
	s.Release("web", n)
	m.gone(s, true)
	for _, files := range [][]File{make([]File, maxFiles), append(make([]File, maxFiles-1), full(s, "a")...)} {
		n++
		s.Start("web", n, finds(""), files, nil)
		if e := want[Ended](s); e.Failure == nil || e.Failure.Errno != unix.EINVAL {
			s.fail("%+v, want EINVAL for %d", e, len(files))
		}
		s.Ack("web", n)
	}
	s.Exit(0)
}

// Holes that cannot be are the run's failure.
func TestPunch(t *testing.T) {
	tests := []struct {
		files []int
		split uint8
		holes []byte
		want  []int
		bad   bool
	}{
		{[]int{3, 4, 5}, 2, nil, []int{3, 4, 5}, false},
		{[]int{3, 4, 5}, 2, []byte{0, 2, 4}, []int{-1, 3, -1, 4, -1, 5}, false},
		{nil, 0, []byte{0, 1}, []int{-1, -1}, false},
		{[]int{3, 4, 5}, 2, []byte{3}, nil, true},
		{[]int{3}, 0, []byte{0, 2}, nil, true},
		{nil, 0, make([]byte, maxFiles+1), nil, true},
		{make([]int, maxFiles), 253, []byte{0}, nil, true},
	}
	for _, test := range tests {
		q := request{files: test.files}
		q.split = test.split
		if ok := q.punch(test.holes); ok == test.bad {
			t.Errorf("%v in %v: %v", test.holes, test.files, ok)
			continue
		}
		if !test.bad && (!slices.Equal(q.files, test.want) || int(q.split) != int(test.split)+len(test.holes)) {
			t.Errorf("%v in %v: %v, split %d, want %v", test.holes, test.files, q.files, q.split, test.want)
		}
		if int(q.split) > len(q.files) {
			t.Errorf("%v in %v: split %d of %d", test.holes, test.files, q.split, len(q.files))
		}
	}
}
