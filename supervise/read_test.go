package supervise

import (
	"os"
	"slices"
	"testing"

	"gsv/supervise/logs"
	"gsv/supervise/status"
)

func TestTailLines(t *testing.T) {
	pump, err := logs.NewPump(logs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer pump.Close()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	stdout, err := logs.NewLines(null)
	if err != nil {
		t.Fatal(err)
	}
	key := logs.Key{Name: "web", Gen: 1}
	child, reader, err := logs.Make(key, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer child.Close()
	defer reader.Close()
	web := tail{"web", stdout.As(logs.Prefix)}
	if err := pump.Add(key, reader, web.out); err != nil {
		t.Fatal(err)
	}
	if _, err := child.WriteString("one\n\xfftwo\n\nthree\n"); err != nil {
		t.Fatal(err)
	}
	if err := pump.Sync(t.Context(), key); err != nil {
		t.Fatal(err)
	}
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
		err := web.lines(t.Context(), &q, nil, func(l *status.LogLine) error {
			if l == nil {
				return nil
			}
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
