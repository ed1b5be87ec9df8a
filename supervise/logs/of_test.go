package logs

import (
	"os"
	"path/filepath"
	"testing"
)

func TestOf(t *testing.T) {
	dir := logDir(t)
	makeLog(t, dir, "web", wrote{0, 1, "one\n"}, wrote{100, 2, "two\nno end"})
	zip(t, dir, rotate(t, dir, "web", 1000), false)
	makeLog(t, dir, "web", wrote{1100, 2, "begin "}, wrote{1200, 2, "end\n"}, wrote{1300, 1, "last words\n"}, wrote{1400, 3, "three\n"})
	rotate(t, dir, "web", 2000)
	makeLog(t, dir, "web", wrote{2100, 2, "two again\n"}, wrote{2200, 3, "four\nfive"})
	file := NewFile(dir, "web")
	for _, tt := range []struct {
		gen, since int
		want       string
	}{
		{1, 0, "one\nlast words\n"},
		{1, 1, "last words\n"},
		{2, 0, "two\nno endbegin end\ntwo again\n"},
		{2, 1200, "end\ntwo again\n"}, // from the mark on, in the middle of a line
		{2, 1250, "two again\n"},
		{3, 0, "three\nfour\nfive"},
		{0, 1300, "last words\nthree\ntwo again\nfour\nfive"},
		{3, 9000, ""},
		{9, 0, ""},
	} {
		if got, err := file.Of(tt.gen, ms(tt.since)); err != nil || string(got) != tt.want {
			t.Errorf("run %d since %d: %q, %v; want %q", tt.gen, tt.since, got, err, tt.want)
		}
	}
	for most := range int64(30) {
		want := "two\nno endbegin end\ntwo again\n"
		if got, err := file.of(2, ms(0), most); err != nil || string(got) != want[max(0, len(want)-int(most)):] {
			t.Errorf("%d bytes: %q, %v", most, got, err)
		}
	}
	if err := os.RemoveAll(filepath.Join(dir, indexDir)); err != nil {
		t.Fatal(err)
	}
	if got, err := file.Of(0, ms(0)); err != nil || len(got) != 0 {
		t.Errorf("without an index: %q, %v", got, err)
	}
}
