package supervise

import (
	"slices"
	"testing"

	"gsv/supervise/status"
)

func TestTailLines(t *testing.T) {
	text := []byte("one\n\xfftwo\n\nthree")
	for _, tt := range []struct {
		n     int
		match string
		want  []string
	}{
		{-1, "", []string{"one", "\xfftwo", "", "three"}},
		{2, "", []string{"", "three"}},
		{0, "", nil},
		{1, "one", []string{"one"}},
		{9, "nosuch", nil},
	} {
		q := status.LogQuery{Lines: tt.n}
		if tt.match != "" {
			q.Match = func(line []byte) bool { return string(line) == tt.match }
		}
		var got []string
		err := tailLines("web", text, &q, func(l *status.LogLine) error {
			if got = append(got, l.Text()); l.Service != "web" || !l.Time.IsZero() {
				t.Errorf("%+v", l)
			}
			return nil
		})
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%d %q: %q, %v", tt.n, tt.match, got, err)
		}
	}
}
