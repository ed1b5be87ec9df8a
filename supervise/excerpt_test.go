package supervise

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestExcerpt(t *testing.T) {
	numbered := func(from, to int) (lines []string) {
		for i := from; i <= to; i++ {
			lines = append(lines, fmt.Sprintf("frame %d", i))
		}
		return lines
	}
	tests := []struct {
		name        string
		lines, want []string
	}{
		{"few", numbered(1, 10), numbered(1, 10)},
		{"none names a cause", numbered(1, 100), numbered(91, 100)},
		{"the cause comes first", slices.Concat([]string{"SyntaxError: x"}, numbered(1, 50)),
			slices.Concat([]string{"SyntaxError: x", "(… 46 lines left out)"}, numbered(47, 50))},
		{"the cause is in the middle, again and again",
			slices.Concat(numbered(1, 3), []string{"Can't locate A.pm in @INC"}, numbered(4, 20), []string{"Can't locate A.pm in @INC"}, numbered(21, 30)),
			slices.Concat([]string{"(… 3 lines left out)", "Can't locate A.pm in @INC", "(… 24 lines left out)"}, numbered(27, 30))},
		{"nothing", nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := excerpt(tt.lines, 10); !slices.Equal(got, tt.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
	var causes []string
	for i := range 100 {
		causes = append(causes, fmt.Sprintf("Error %d", i))
	}
	got := excerpt(causes, 10)
	if want := "Error 0 Error 1 Error 2 Error 3 Error 4 Error 5 (… 90 lines left out) Error 96 Error 97 Error 98 Error 99"; strings.Join(got, " ") != want {
		t.Errorf("got %q", got)
	}
	long := excerpt([]string{strings.Repeat("x", shownBytes), "y"}, 10)
	if len(long) != 1 || long[0] != andMore {
		t.Errorf("a long line is not cut: %d lines", len(long))
	}
}
