package definition

import (
	"slices"
	"testing"
)

func TestSplitCommand(t *testing.T) {
	tests := []struct {
		in   string
		want []string
	}{
		{"", nil},
		{" \t\r\n", nil},
		{"a", []string{"a"}},
		{"  a  b\nc\r\n\td ", []string{"a", "b", "c", "d"}},
		{`a 'b c' "d e" f\ g`, []string{"a", "b c", "d e", "f g"}},
		{`a '' ""`, []string{"a", "", ""}},
		{`a'b'"c"d`, []string{"abcd"}},
		{`'a\b' "a\b" a\b`, []string{`a\b`, `a\b`, "ab"}},
		{`"\"" "\\" "\$" "\` + "`" + `" \" \' \\`, []string{`"`, `\`, "$", "`", `"`, "'", `\`}},
		{"a \\\nb", []string{"a", "b"}},
		{"a\\\nb", []string{"ab"}},
		{"\"a\\\nb\" \\\n", []string{"ab"}},
		{"'a\nb'", []string{"a\nb"}},
		{`a '|' "&" \; '$x' '*' "?" \[ \# \~ '('`, []string{"a", "|", "&", ";", "$x", "*", "?", "[", "#", "~", "("}},
		{"a --b=c d=e %h 100% {x,y} a#b a~ ! ^ @ , :", []string{"a", "--b=c", "d=e", "%h", "100%", "{x,y}", "a#b", "a~", "!", "^", "@", ",", ":"}},
		{"'A=b' c", []string{"A=b", "c"}},
		{"./A=b", []string{"./A=b"}},
		{"A\\=b", []string{"A=b"}},
		{"größe \xff", []string{"größe", "\xff"}},
	}
	for _, tt := range tests {
		if got, err := SplitCommand(tt.in); err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%q: got %q, %v, want %q", tt.in, got, err, tt.want)
		}
	}
}

func TestSplitCommandRefuses(t *testing.T) {
	tests := []struct {
		in          string
		offset, len int
		hint        string
	}{
		{"a|b", 1, 1, `write ["sh", "-c", "a|b"], or quote it if the character itself is meant`},
		{"a && b", 2, 2, `write ["sh", "-c", "a && exec b"], or quote it if the character itself is meant`},
		{"a; exec b", 1, 1, `write ["sh", "-c", "a; exec b"], or quote it if the character itself is meant`},
		{"a > b", 2, 1, `write ["sh", "-c", "exec a > b"], or quote it if the character itself is meant`},
		{"a 2>>b", 3, 2, `write ["sh", "-c", "exec a 2>>b"], or quote it if the character itself is meant`},
		{"a $HOME", 2, 1, `write ["sh", "-c", "exec a $HOME"], or quote it if the character itself is meant`},
		{`a "$HOME"`, 3, 1, `write ["sh", "-c", 'exec a "$HOME"'], or quote it if the character itself is meant`},
		{"a `b`", 2, 1, "write [\"sh\", \"-c\", \"exec a `b`\"], or quote it if the character itself is meant"},
		{`a "b` + "`", 4, 1, `write ["sh", "-c", 'exec a "b` + "`" + `'], or quote it if the character itself is meant`},
		{"a *", 2, 1, `write ["sh", "-c", "exec a *"], or quote it if the character itself is meant`},
		{"a b?", 3, 1, `write ["sh", "-c", "exec a b?"], or quote it if the character itself is meant`},
		{"a [b]", 2, 1, `write ["sh", "-c", "exec a [b]"], or quote it if the character itself is meant`},
		{"a # b", 2, 1, `write ["sh", "-c", "exec a # b"], or quote it if the character itself is meant`},
		{"~/a", 0, 1, `write ["sh", "-c", "exec ~/a"], or quote it if the character itself is meant`},
		{"(a)", 0, 1, `write ["sh", "-c", "exec (a)"], or quote it if the character itself is meant`},
		{"a &", 2, 1, `write ["sh", "-c", "exec a &"], or quote it if the character itself is meant`},
		{"A=b c", 0, 2, `set it below [environment]: A = "…"`},
		{"_a1=b", 0, 4, `set it below [environment]: _a1 = "…"`},
		{"a 'b", 2, 2, `close it, or write \' for the character itself`},
		{`a "b\"`, 2, 4, `close it, or write \" for the character itself`},
		{`a \`, 2, 1, `write \\ for a backslash`},
	}
	for _, tt := range tests {
		got, err := SplitCommand(tt.in)
		if got != nil || err == nil || err.Offset != tt.offset || err.Len != tt.len || err.Hint != tt.hint {
			t.Errorf("%q: got %q, %+v, want %d+%d %s", tt.in, got, err, tt.offset, tt.len, tt.hint)
		}
	}
}

func TestClosest(t *testing.T) {
	names := []string{"stop-timeout", "start-timeout", "restart", "user"}
	for in, want := range map[string]string{"stop-timout": "stop-timeout", "satrt-timeout": "start-timeout", "restrat": "restart", "usr": "user", "xyz": "", "": "", "u": "", "stop-timeout": "stop-timeout"} {
		if got := closest(in, names); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
