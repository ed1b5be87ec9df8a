package watch

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestClass(t *testing.T) {
	for _, test := range []struct {
		path string // a directory ends in "/"
		want class
	}{
		{"lib/App.pm", counted}, {"Gemfile.lock", counted}, {".env", counted}, {".env.sample", counted}, {"bin/", counted},
		{"a.b.c", counted}, {"tmp/x", counted}, {".gitignore", counted}, {"sedAb12Cd", counted}, {"x.AbC123", counted},
		{".git/", versioned}, {"sub/.git/", versioned}, {".git", ignored}, {".svn/", versioned}, {".hg/", versioned}, {"CVS/", versioned}, {"CVS", counted},
		{".App.pm.swp", ignored}, {"lib/.App.pm.swx", ignored}, {"4913", ignored}, {"App.pm~", ignored}, {"#App.pm#", ignored}, {".#App.pm", ignored},
		{".DS_Store", ignored}, {".nfs000000000012", ignored}, {".fuse_hidden0001", ignored}, {"lib/__pycache__/", ignored}, {"a.pyc", ignored},
		{".App.pm.AbC123", temporal}, {"lib/.x.pl.0a1b2c", temporal}, {".~tmp~/", temporal}, {"lib/.~tmp~/", temporal}, {".rsync-partial/", temporal},
		{"..env.sample.Xy12Za", temporal}, {"libc.so.6.dpkg-new", temporal}, {"app.war.filepart", temporal}, {"bash;5f3e01ab", temporal},
	} {
		name, dir := strings.CutSuffix(test.path, "/")
		if got := newRules(nil).class(name, dir); got != test.want {
			t.Errorf("%s is %d, want %d", test.path, got, test.want)
		}
	}
	own := newRules([]string{".*", "log/", "/data", "!*.pyc", "!.x.Ab12Cd"})
	for path, want := range map[string]class{
		".App.pm.AbC123": temporal, // rsync's, though ".*" ignores it
		".env":           ignored, "log/": ignored, "lib/log/": ignored, "log": counted, "data": ignored, "lib/data": counted,
		"a.pyc": counted, ".x.Ab12Cd": counted, ".git/": versioned,
	} {
		name, dir := strings.CutSuffix(path, "/")
		if got := own.class(name, dir); got != want {
			t.Errorf("%s is %d of a service's own, want %d", path, got, want)
		}
	}
}

func TestCheckPattern(t *testing.T) {
	for pattern, want := range map[string]string{
		"*.pm": "", "log/": "", "!a": "", `\#a`: "", "[]a]": "", "[[:digit:]]/**": "", `a\]`: "",
		"": "matches nothing", "/": "matches nothing", "# note": "matches nothing", "!": "matches nothing",
		"a[b": "without its ]", `a\`: "ends in a backslash", `[a\`: "without its ]", "[]": "without its ]", "x/[!/y": "without its ]",
	} {
		got := ""
		if err := CheckPattern(pattern); err != nil {
			got = err.Error()
		}
		if (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%q: %q, want %q", pattern, got, want)
		}
	}
}

// git is an empty repository, asked what it ignores.
type git struct {
	testing.TB
	dir string
}

func newGit(t testing.TB) git {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("no git")
	}
	g := git{t, t.TempDir()}
	g.run("", "init", "-q", "--template=")
	return g
}

func (g git) run(in string, args ...string) string {
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Stdin = g.dir, strings.NewReader(in)
	out, err := cmd.Output()
	if err != nil && cmd.ProcessState.ExitCode() != 1 {
		g.Fatal(err)
	}
	return string(out)
}

// ignores lists which of the paths are ignored; a directory's end in "/".
func (g git) ignores(patterns, paths []string) map[string]bool {
	if err := os.WriteFile(filepath.Join(g.dir, ".gitignore"), []byte(strings.Join(patterns, "\n")+"\n"), 0o600); err != nil {
		g.Fatal(err)
	}
	out := g.run(strings.Join(paths, "\x00")+"\x00", "-c", "core.excludesFile=/dev/null", "check-ignore", "-z", "--no-index", "--stdin")
	is := map[string]bool{}
	for path := range strings.SplitSeq(out, "\x00") {
		is[path] = true
	}
	return is
}

// ignores says what the rules do, with the directories above.
func (rs rules) ignores(path string) bool {
	path, dir := strings.CutSuffix(path, "/")
	for i, c := range path {
		if c == '/' && rs.class(path[:i], true) == ignored {
			return true
		}
	}
	return rs.class(path, dir) == ignored
}

var gitPaths = []string{
	"a", "b", "ab", "a.b", "a/", "b/", "a/b", "a/b/", "a/a/b", "a/b/a", "b/a/b/", "ab/a", "ab/ab/", "a b", "!a", "#a", "*", "]", "[a]", "-", "A1", "9", "a/9", "\\", "é",
}

var gitPatterns = []string{
	"a", "a/", "/a", "a/b", "/a/b", "a/*", "a/**", "**/a", "**/a/b", "a/**/b", "**", "*", "/*", "**/", "*/", "a*", "*b", "a?b", "?", "[ab]", "[!a]", "[^a]", "[a-b]", "[]]", "[-a]", "[a-]",
	"[[:digit:]]", "[[:alpha:]][[:digit:]]", `\*`, `\a`, `\!a`, `\#a`, "#a", "!a", "a b", "a ", `a\ `, "**b", "a**", "[a", `a\`, "[", "/", "//", "a//b", "***", "/**/a", "**/**/b", "a/**/", `[\]]`, `[\a]`,
}

// Each pattern means what it means to git.
func TestAsGit(t *testing.T) {
	git := newGit(t)
	for _, pattern := range gitPatterns {
		for _, patterns := range [][]string{{pattern}, {"a*", "!" + pattern}} {
			var rs rules
			for _, p := range patterns {
				if r, ok := parseRule(ignored, p); ok {
					rs = append(rs, r)
				}
			}
			is := git.ignores(patterns, gitPaths)
			for _, path := range gitPaths {
				if path == "a/" && strings.HasPrefix(pattern, "a/*") {
					continue // it takes the name behind the slash to be empty, here only
				}
				if got := rs.ignores(path); got != is[path] {
					t.Errorf("%q ignores %q: %v, of git's: %v", patterns, path, got, is[path])
				}
			}
		}
	}
}

// FuzzMatch: whatever the pattern, an answer comes; and * matches what is not there.
func FuzzMatch(f *testing.F) {
	for _, p := range gitPatterns {
		f.Add(p, "a/b")
	}
	f.Fuzz(func(t *testing.T, pattern, path string) {
		r, ok := parseRule(ignored, pattern)
		if !ok || path == "" || len(pattern) > 100 || len(path) > 100 {
			return
		}
		name := path[strings.LastIndexByte(path, '/')+1:]
		r.match(path, name)
		if err := CheckPattern(pattern); err == nil && !r.anchored && r.match(path, name) {
			if !matchName("*"+r.parts[0]+"*", name) {
				t.Errorf("%q matches %q, and not with stars around it", r.parts[0], name)
			}
		}
	})
}
