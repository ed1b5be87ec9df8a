package terminal

import "testing"

func TestHarmless(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"plain", "one\ttwo\nGrüße 世界\n", "one\ttwo\nGrüße 世界\n"},
		{"escape sequence", "a\x1b[2Jb\x1b]0;title\x07", "a\ufffd[2Jb\ufffd]0;title\ufffd"},
		{"rewriting", "all is lost\rall is well\b\x7f", "all is lost\ufffdall is well\ufffd\ufffd"},
		{"C1", "a\u009b2J\u0085", "a\ufffd2J\ufffd"},
		{"bare C1", "a\x9b2J", "a\ufffd2J"},
		{"not UTF-8", "\xff\xc3", "\ufffd\ufffd"},
		{"NUL", "\x00", "\ufffd"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Harmless(tt.in); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
			if got := string(HarmlessBytes([]byte(tt.in))); got != tt.want {
				t.Errorf("bytes: %q, want %q", got, tt.want)
			}
		})
	}
}
