package guardian

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestHolds(t *testing.T) { play(t, []string{"TEST_AGAIN=1ms"}, "holds").end(0) }

// content is what the file that is held under a name says.
func (s *scene) content(name string) string {
	f := s.Held()[name]
	if f == nil {
		return "nothing"
	}
	b := make([]byte, 100)
	fd, err := number(f)
	if err != nil {
		s.fail("%v", err)
	}
	n, err := unix.Pread(fd, b, 0)
	if err != nil {
		s.fail("%v", err)
	}
	return strings.TrimSpace(string(b[:n]))
}

// hold holds a new file that says one character, and closes it.
func (s *scene) hold(name, what string) {
	f := full(s, what)[0]
	s.Hold(name, f.File)
	f.Close()
}

func sceneHolds(s *scene) {
	longest := strings.Repeat("n", maxKey)
	switch s.deaths {
	case 0:
		if len(s.Held()) != 0 {
			s.fail("%v, want nothing", s.Held())
		}
		s.Unhold("never was")
		s.hold("", "a")
		s.hold("web/http", "b")
		s.hold("web/http", "c")
		s.hold("gone", "d")
		s.Unhold("gone")
		s.hold(longest, "e")
		s.hold(longest+"n", "f") // and nothing happens
		s.Unhold(longest + "n")
		s.hold("closed", "g")
		closed := full(s, "h")[0].File
		closed.Close()
		s.Hold("closed", closed)
		s.hold("nil", "i")
		s.Hold("nil", nil)
		s.flush()
	case 1:
		for name, want := range map[string]string{"": "a", "web/http": "c", longest: "e"} {
			if got := s.content(name); got != want {
				s.fail("%q holds %s, want %s", name, got, want)
			}
		}
		if len(s.Held()) != 3 {
			s.fail("%v, want 3", s.Held())
		}
		for name, f := range s.Held() {
			f.Close()
			if name != "" {
				s.Unhold(name)
			}
		}
		s.flush()
	case 2:
		if len(s.Held()) != 1 || s.content("") != "a" {
			s.fail("%v, want one", s.Held())
		}
		s.Exit(0)
	}
	s.die()
}
