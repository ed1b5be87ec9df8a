package definition

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// Settings are what gsv.toml says: what holds for all services together. The zero value is what
// holds without one.
type Settings struct {
	Path   string // of the file, as it was named; "" = there is none
	Source []byte // the file as read: ParseSettings(Path, Source) gives the same Settings

	LogMaxTotal int64 // bytes of all log files of all services together; 0 = no limit
}

// A setting is one key of gsv.toml.
type setting struct {
	Key
	set func(*Settings, value)
	get func(*Settings) any
}

var settings = []setting{
	{Key{Name: "log.max-total", Type: "size", Default: "0",
		Doc: "What all log files of all services may take together: the oldest rotated ones go first, whoever's they are. 0 = no limit."},
		func(s *Settings, v value) { v.size(&s.LogMaxTotal) },
		func(s *Settings) any { return s.LogMaxTotal }},
}

func settingOf(name string) *setting {
	if i := slices.IndexFunc(settings, func(s setting) bool { return s.Name == name }); i >= 0 {
		return &settings[i]
	}
	return nil
}

// settingFlags are what gsv takes as flags alone, and other tools' names for it.
var settingFlags = []struct{ flag, others string }{
	{"services", "include"}, {"socket", "unix-http-server"}, {"run-dir", ""}, {"log-dir", "childlogdir"},
	{"config", ""}, {"shutdown-timeout", "default-timeout-stop-sec"},
}

// LoadSettings reads gsv.toml. It returns every problem at once; the settings are nil if one of
// them is an error. With root set (gsv runs as root), a file that a user other than root could
// change is refused.
func LoadSettings(path string, root bool) (*Settings, Problems) {
	src, fault := readSource(path, root)
	if fault != nil {
		return nil, Problems{*fault}
	}
	return ParseSettings(path, src)
}

// readSource reads a file that says what gsv does.
func readSource(path string, root bool) ([]byte, *Problem) {
	cannot := func(err error) *Problem {
		return &Problem{Path: path, Text: "cannot read it: " + unwrapPath(err).Error()}
	}
	if root {
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			return nil, cannot(err)
		}
		if d := trusted(path); d != nil {
			return nil, &Problem{Path: path, Text: "refused as root: " + d.why, Hint: d.todo}
		}
	}
	src, err := readRegular(path, maxSource)
	if err != nil {
		return nil, cannot(err)
	}
	return src, nil
}

// ParseSettings reads the source of gsv.toml, as Parse does that of a service file.
func ParseSettings(path string, src []byte) (*Settings, Problems) {
	r := newReader(path, src)
	s := &Settings{Path: path, Source: slices.Clone(src)}
	if len(src) > maxSource {
		r.note(span{}, false, fmt.Sprintf("%d bytes are too many for settings: at most %d", len(src), maxSource), "")
		return nil, r.problems
	}
	tree, ok := r.tree()
	if !ok {
		return nil, r.problems
	}
	for _, name := range sortedKeys(tree) {
		entries, isTable := tree[name].(map[string]any)
		switch service, _ := tableState(name); {
		case name == "log" && isTable:
			for _, in := range sortedKeys(entries) {
				where := name + pathSep + in
				if k := settingOf(name + "." + in); k != nil {
					k.set(s, r.value(&k.Key, k.Name, where, entries[in]))
				} else {
					r.noSetting(name, in, where, entries[in])
				}
			}
		case name == "log":
			r.value(nil, name, name, tree[name]).wrong("a table", "write its keys below a header [log]")
		case isTable && service:
			r.note(r.keyAt(name), false, "["+name+"] belongs into a service file", "write it into NAME.toml of the service directory")
		case isTable:
			r.note(r.keyAt(name), false, fmt.Sprintf("unknown table [%s]", visible(name)), settingTable(name))
		default:
			r.noSetting("", name, name, tree[name])
		}
	}
	r.problems.sort()
	if r.problems.Errors() {
		return nil, r.problems
	}
	return s, r.problems
}

// noSetting notes a key that is none of gsv.toml, and what was probably meant.
func (r *reader) noSetting(in, name, where string, raw any) {
	at, ours := r.keyAt(where), kebab(name)
	there := ""
	if in != "" {
		there = " in [" + in + "]"
	}
	if flag := settingFlag(ours); flag != "" && (in == "" || ours == flag) {
		text := fmt.Sprintf("%q%s: not supported yet", name, there)
		if flag == "config" {
			text = fmt.Sprintf("unknown key %q%s", name, there)
		}
		r.note(at, false, text, flagHint(flag))
		return
	}
	if k := settingOf(join(in, ours)); k != nil {
		r.note(at, false, fmt.Sprintf("unknown key %q%s", name, there), fmt.Sprintf("did you mean %q?", k.In()))
		return
	}
	if k := settingOf("log." + ours); k != nil {
		r.note(at, false, fmt.Sprintf("unknown key %q", name), "it belongs into a table: write it below a header [log], or as "+k.Name)
		return
	}
	hint := "write it into NAME.toml of the service directory, for each service"
	k := rows[join(in, ours)]
	if k == nil {
		k = rows[ours]
	} else if in != "" {
		hint = "write it below [" + in + "] in NAME.toml of the service directory, for each service"
	}
	if k != nil {
		r.note(at, false, fmt.Sprintf("%q%s belongs into a service file", name, there), hint)
		return
	}
	r.note(at, false, fmt.Sprintf("unknown key %q%s", name, there), settingHint(in, name, ours, raw))
}

// settingHint says what to write in place of an unknown key, or "".
func settingHint(in, name, ours string, raw any) string {
	k, hint := foreign(in, name)
	switch {
	case k != nil && settingOf(k.Name) != nil:
		if line := example(k, in, name, raw); line != "" {
			hint = rewritten(hint) + line
		}
		return hint
	case k != nil:
		return hint + ", of a service file"
	case hint != "":
		return hint
	}
	var here []string
	for _, s := range settings {
		if s.Table() == in || in == "" {
			here = append(here, s.In())
		}
	}
	if near := closest(ours, here); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	if near := closest(ours, flagNames()); near != "" && in == "" {
		return flagHint(near)
	}
	return ""
}

// settingTable says what to write in place of an unknown table, or "".
func settingTable(name string) string {
	if flag := settingFlag(kebab(name)); flag != "" {
		return flagHint(flag)
	}
	if foreignSection(name) {
		return "what a service is stands in a file of its own, NAME.toml of the service directory"
	}
	if closest(kebab(name), []string{"log"}) != "" || kebab(name) == "logging" {
		return "did you mean [log]?"
	}
	return ""
}

// settingFlag is the flag that says what name stands for, or "".
func settingFlag(name string) string {
	for _, f := range settingFlags {
		if f.flag == name || slices.Contains(strings.Fields(f.others), name) {
			return f.flag
		}
	}
	return ""
}

func flagNames() (names []string) {
	for _, f := range settingFlags {
		names = append(names, f.flag)
	}
	return names
}

func flagHint(flag string) string {
	if flag == "config" {
		return "leave it out: this is the file"
	}
	return fmt.Sprintf("it is a flag: gsv --%s, or GSV_%s", flag, strings.ToUpper(strings.ReplaceAll(flag, "-", "_")))
}

// Diff lists the keys whose meaning differs from s to o.
func (s *Settings) Diff(o *Settings) (keys []string) {
	for _, k := range settings {
		if k.get(s) != k.get(o) {
			keys = append(keys, k.Name)
		}
	}
	return keys
}
