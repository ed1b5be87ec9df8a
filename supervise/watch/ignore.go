package watch

import (
	"fmt"
	"slices"
	"strings"
)

// A class is what a file or directory is to a deploy.
type class byte

const (
	counted   class = iota // part of what is deployed
	ignored                // nothing: it is not looked into
	temporal               // of a tool that has not finished; of a directory, all in it
	versioned              // a directory of a version control system: ignored but for its locks
)

// What never counts, unless a pattern of the service's with "!" takes it back:
// version control, what editors keep beside a file that is open (an open editor is
// no deploy), file systems' own files, and what Python writes when it loads code.
var ignoredByDefault = []string{
	"*~", ".*.sw?", "4913", "#*#", ".#*", ".goutputstream-*", "*___jb_tmp___", "*___jb_old___",
	".DS_Store", "._*", ".nfs*", ".fuse_hidden*",
	"__pycache__/", "*.pyc",
}

var versionedByDefault = []string{".git", ".hg", ".svn", ".bzr", "CVS/"}

// Temporaries by default: as long as one is there a deploy is under way.
// rsync makes .NAME.XXXXXX of letters and digits; six small letters are more often
// such as .env.sample.
var temporalByDefault = []string{
	".?*.[a-zA-Z0-9][a-zA-Z0-9][a-zA-Z0-9][a-zA-Z0-9][a-zA-Z0-9][a-zA-Z0-9]",
	"!.?*.[a-z][a-z][a-z][a-z][a-z][a-z]",
	".~tmp~/", ".rsync-partial/", // --delay-updates, --partial-dir
	"*.dpkg-new", "*.dpkg-tmp", "*.filepart", ".unison.*.unison.tmp", ".syncthing.*.tmp",
	"*;[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]", // rpm
}

// Locks in a directory of a version control system that say that it is changing files.
var locks = []string{"*.lock", "wlock"}

// rules are patterns with what they say; of those that match the last counts.
type rules []rule

// A rule is a pattern as in .gitignore.
type rule struct {
	says     class    // counted: takes back what was said before
	dirs     bool     // directories only
	anchored bool     // of the whole path, else of the last name
	parts    []string // between slashes
	head     string   // what a name begins with, for speed; not anchored
	tail     string   // and ends with
}

// newRules returns the defaults and then the patterns of a service.
func newRules(patterns []string) rules {
	var rs rules
	add := func(says class, patterns []string) {
		for _, p := range patterns {
			if r, ok := parseRule(says, p); ok {
				rs = append(rs, r)
			}
		}
	}
	add(ignored, ignoredByDefault)
	add(versioned, versionedByDefault)
	add(temporal, temporalByDefault)
	add(ignored, patterns)
	return rs
}

// CheckPattern says what is wrong with a pattern of Spec.Ignore.
func CheckPattern(pattern string) error {
	r, ok := parseRule(ignored, pattern)
	if !ok {
		return fmt.Errorf("%q matches nothing", pattern)
	}
	for _, part := range r.parts {
		for i := 0; i < len(part); i++ {
			switch part[i] {
			case '\\':
				if i++; i == len(part) {
					return fmt.Errorf("%q ends in a backslash", pattern)
				}
			case '[':
				_, n := matchSet(part[i+1:], 0)
				if n < 0 {
					return fmt.Errorf("%q has a [ without its ]", pattern)
				}
				i += n
			}
		}
	}
	return nil
}

func parseRule(says class, p string) (rule, bool) {
	if strings.HasPrefix(p, "#") && p != "#*#" {
		return rule{}, false // a comment
	}
	for strings.HasSuffix(p, " ") && !strings.HasSuffix(p, `\ `) {
		p = p[:len(p)-1]
	}
	r := rule{says: says}
	p, r.dirs = strings.CutSuffix(p, "/")
	if rest, ok := strings.CutPrefix(p, "!"); ok {
		p, r.says = rest, counted
	}
	r.anchored = strings.Contains(p, "/")
	p = strings.TrimPrefix(p, "/")
	if p == "" {
		return rule{}, false
	}
	r.parts = slices.CompactFunc(strings.Split(p, "/"), func(a, b string) bool { return a == "**" && b == "**" })
	if !r.anchored {
		if i := strings.IndexAny(p, `*?[\`); i >= 0 {
			r.head = p[:i]
			if !strings.ContainsAny(p, `[\`) {
				r.tail = p[strings.LastIndexAny(p, "*?")+1:]
			}
		} else {
			r.head, r.tail = p, p
		}
	}
	return r, true
}

// class says what a file is, by its path relative to the watched one.
func (rs rules) class(rel string, dir bool) class {
	name := rel[strings.LastIndexByte(rel, '/')+1:]
	is, temp := counted, false
	for i := range rs {
		r := &rs[i]
		if r.dirs && !dir || !r.match(rel, name) {
			continue
		}
		switch {
		case r.says == temporal:
			temp = true
		case r.says == counted:
			is, temp = counted, false
		case r.says == versioned && !dir:
			is = ignored // of a git worktree .git is a file
		case is != versioned:
			is = r.says
		}
	}
	if temp {
		return temporal // though a pattern such as ".*" ignores it
	}
	return is
}

func (r *rule) match(rel, name string) bool {
	if r.anchored {
		return matchPath(r.parts, rel)
	}
	return strings.HasPrefix(name, r.head) && strings.HasSuffix(name, r.tail) && matchName(r.parts[0], name)
}

// matchPath matches a path, part by part; "**" is any number of directories, and at
// the end all that is in one.
func matchPath(parts []string, rel string) bool {
	for len(parts) > 0 {
		if parts[0] == "**" {
			if len(parts) == 1 {
				return rel != ""
			}
			for {
				if matchPath(parts[1:], rel) {
					return true
				}
				var ok bool
				if _, rel, ok = strings.Cut(rel, "/"); !ok {
					return false
				}
			}
		}
		name, rest, more := strings.Cut(rel, "/")
		if rel == "" || !matchName(parts[0], name) {
			return false
		}
		parts, rel = parts[1:], rest
		if more && len(parts) == 0 {
			return false
		}
	}
	return rel == ""
}

// matchName matches one name: "*", "?", "[…]" and "\", by bytes as git does.
func matchName(p, s string) bool {
	var star string // the pattern after the last "*"
	var from string // the name from where that was tried
	starred := false
	for {
		ok := false
		switch {
		case p == "":
			if s == "" {
				return true
			}
		case p[0] == '*':
			star, from, starred = p[1:], s, true
			p = p[1:]
			continue
		case s == "":
			return false
		case p[0] == '?':
			ok, p, s = true, p[1:], s[1:]
		case p[0] == '[':
			in, n := matchSet(p[1:], s[0])
			if n < 0 {
				return false
			}
			if in {
				ok, p, s = true, p[1+n:], s[1:]
			}
		case p[0] == '\\':
			if len(p) == 1 {
				return false
			}
			if p[1] == s[0] {
				ok, p, s = true, p[2:], s[1:]
			}
		case p[0] == s[0]:
			ok, p, s = true, p[1:], s[1:]
		}
		if !ok {
			if !starred || from == "" {
				return false
			}
			from = from[1:]
			p, s = star, from
		}
	}
}

var sets = map[string]string{
	"digit": "09", "lower": "az", "upper": "AZ", "alpha": "azAZ", "alnum": "azAZ09", "xdigit": "afAF09",
	"space": "\t\r  ", "blank": "\t\t  ", "punct": "!/:@[`{~", "cntrl": "\x00\x1f\x7f\x7f", "print": " ~", "graph": "!~",
}

// matchSet says whether c is in the set that p is from behind its "[", and how long
// that is with its "]"; -1: it has none.
func matchSet(p string, c byte) (in bool, n int) {
	i := 0
	not := p != "" && (p[0] == '!' || p[0] == '^')
	if not {
		i++
	}
	within := func(lo, hi byte) { in = in || lo <= c && c <= hi }
	for first := true; ; first = false {
		if i >= len(p) {
			return false, -1
		}
		if p[i] == ']' && !first {
			return in != not, i + 1
		}
		if rest, ok := strings.CutPrefix(p[i:], "[:"); ok {
			name, _, ok := strings.Cut(rest, ":]")
			if ranges := sets[name]; ok && ranges != "" {
				for r := ranges; r != ""; r = r[2:] {
					within(r[0], r[1])
				}
				i += len(name) + 4
				continue
			}
		}
		lo, at := setByte(p, i)
		hi := lo
		if at+1 < len(p) && p[at] == '-' && p[at+1] != ']' {
			hi, at = setByte(p, at+1)
		}
		if i = at; i > len(p) {
			return false, -1
		}
		within(lo, hi)
	}
}

// setByte returns the byte of a set at i, and where the next one is.
func setByte(p string, i int) (byte, int) {
	if p[i] == '\\' {
		if i++; i == len(p) {
			return 0, i + 1
		}
	}
	return p[i], i + 1
}
