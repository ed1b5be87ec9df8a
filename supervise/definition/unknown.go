package definition

import (
	"fmt"
	"slices"
	"strings"
)

// unknownKey notes a key that is no row of the key table, and what was probably meant.
// table is the one it stands in, "" for the top of the file.
func (r *reader) unknownKey(table, name, where string, raw any) {
	at := r.keyAt(where)
	_, isTable := raw.(map[string]any)
	_, isTables := raw.([]map[string]any)
	if table == "" && (isTable || isTables) && r.places[where] != nil && r.places[where].table {
		r.note(at, false, fmt.Sprintf("unknown table [%s]", visible(name)), meantTable(name))
		if isTable && foreignSection(name) {
			r.foreignKeys(where, raw.(map[string]any))
		}
		return
	}
	text := fmt.Sprintf("unknown key %q", name)
	switch {
	case strings.HasSuffix(table, ".NAME"):
		header := strings.Split(where, pathSep)
		text += " in [" + visible(strings.Join(header[:len(header)-1], ".")) + "]"
	case table != "":
		text += " in [" + table + "]"
	}
	k, hint := meant(table, name, raw)
	if k != nil {
		r.misnamed[k.Name] = true
	}
	r.note(at, false, text, hint)
}

// foreignSection says if [name] is a section of another supervisor's files.
func foreignSection(name string) bool {
	switch strings.ToLower(name) {
	case "service", "unit", "install", "program", "services", "supervisord", "socket", "fcgi-program":
		return true
	}
	return false
}

// foreignKeys notes the keys of another supervisor's section that are not ours.
func (r *reader) foreignKeys(where string, section map[string]any) {
	for _, name := range sortedKeys(section) {
		if k := rows[name]; k == nil {
			r.unknownKey("", name, where+pathSep+name, section[name])
		}
	}
}

func meantTable(name string) string {
	if foreignSection(name) {
		return "one file is one service, whose name is the file's: its keys stand at the top, without a header"
	}
	var tables []string
	for _, k := range table {
		if k.Table() != "" {
			tables = append(tables, k.outer())
		} else if k.free() {
			tables = append(tables, k.Name)
		}
	}
	if near := closest(kebab(name), tables); near == "listen" {
		return "did you mean [listen.NAME]?"
	} else if near != "" {
		return fmt.Sprintf("did you mean [%s]?", near)
	}
	return ""
}

// meant says what to write in place of an unknown key, and which key that is; both may be none.
func meant(in, name string, raw any) (*Key, string) {
	ours := kebab(name)
	if k := rows[join(in, ours)]; k != nil {
		return k, fmt.Sprintf("did you mean %q?", k.In())
	}
	if k := rows[ours]; in != "" && k != nil {
		return k, fmt.Sprintf("%q belongs to the top of the file: move it above all headers, for what is below [%s] is part of that", ours, in)
	}
	if k, hint := foreign(in, name); hint != "" {
		if line := example(k, in, name, raw); line != "" {
			hint = rewritten(hint) + line
		}
		return k, hint
	}
	var here []string
	for _, k := range table {
		if k.Table() == in {
			here = append(here, k.In())
		}
	}
	near := closest(ours, here)
	if k := inAnyTable(ours); k != nil && in != "" && near != "" { // "path" in [watch]
		return rows[join(in, near)], fmt.Sprintf("did you mean %q?", near)
	} else if k != nil && k.named() {
		return k, "it belongs into a table: write it below a header [listen.http], with a name of your choice"
	} else if k != nil {
		return k, fmt.Sprintf("it belongs into a table: write it below a header [%s], or as %s", k.Table(), k.Name)
	}
	if near != "" {
		return rows[join(in, near)], fmt.Sprintf("did you mean %q?", near)
	}
	return nil, ""
}

func inAnyTable(name string) *Key {
	for i, k := range table {
		if k.Table() != "" && k.In() == name {
			return &table[i]
		}
	}
	return nil
}

// foreign finds the key that another supervisor calls name. Without one of ours, the hint
// alone says what to do, or is "".
func foreign(in, name string) (*Key, string) {
	var found *Key
	var owner string
	for i, k := range table {
		for _, o := range [...]struct{ names, whose string }{
			{k.Systemd, "systemd's"}, {k.Supervisord, "supervisord's"}, {k.Pebble, "Pebble's"}, {k.Other, "another supervisor's"},
		} {
			for n := range strings.FieldsSeq(o.names) {
				// The same name may stand for several of ours: in a table its own comes first.
				if strings.EqualFold(n, name) && (found == nil || k.Table() == in && found.Table() != in) {
					found, owner = &table[i], o.whose
				}
			}
		}
	}
	if found != nil {
		hint := fmt.Sprintf("that is %s name; here it is %q", owner, found.Name)
		if owner == "another supervisor's" {
			hint = fmt.Sprintf("here it is %q", found.Name)
		}
		if !found.Supported {
			hint += ", which is not supported yet"
		}
		return found, hint
	}
	for _, s := range strangers {
		if strings.EqualFold(s.name, name) {
			return nil, fmt.Sprintf("that is %s name: %s", possessive(s.owner), s.advice)
		}
	}
	return nil, ""
}

func possessive(owner string) string {
	if strings.HasSuffix(owner, "'") {
		return owner
	}
	return owner + "'s"
}

// rewritten is what of a foreign name's hint stands before "write …".
func rewritten(hint string) string {
	lead, _, _ := strings.Cut(hint, "; here")
	if lead == "" || strings.HasPrefix(lead, "here it is") {
		return ""
	}
	return lead + ": "
}

// example shows a foreign value in our form, where it is plain how; else "".
func example(k *Key, in, name string, raw any) string {
	switch {
	case k == nil || !k.Supported:
		return ""
	case k.named():
		return listenExample(k, in, name, raw)
	case k.Table() == "log":
		return logExample(k, in, name, raw)
	}
	switch x := raw.(type) {
	case bool: // supervisord's autorestart
		if k.Name == "restart" {
			return map[bool]string{true: `write restart = "always"`, false: `write restart = "no"`}[x]
		}
	case int64:
		if k.Type == "duration" && x >= 0 {
			return fmt.Sprintf(`write %s = "%ds"`, k.Name, x)
		}
	case string:
		_, _, err := parseDuration(x)
		switch {
		case k.Name == "restart" && x == "unexpected":
			return `write restart = "on-failure"`
		case k.Name == "restart" && slices.ContainsFunc(k.Enum, func(e Enum) bool { return e.Name == x && e.Supported }):
			return "write restart = " + tomlString(x)
		case k.Type == "duration" && err == nil,
			k.Type == "path", k.Type == "signal name", k.Type == "name or id", k.Type == "array, or a string":
			return "write " + k.Name + " = " + tomlString(x)
		case k.Table() == "watch" && strings.HasPrefix(k.Type, "array of"):
			return "write " + k.Name + " = [" + tomlString(x) + "]"
		}
	}
	return ""
}

// kebab turns "stop_timeout" and "StopTimeout" into "stop-timeout".
func kebab(name string) string {
	var b strings.Builder
	for i, c := range []byte(name) {
		switch {
		case c == '_':
			c = '-'
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
			if i > 0 && name[i-1] >= 'a' && name[i-1] <= 'z' {
				b.WriteByte('-')
			}
		}
		b.WriteByte(c)
	}
	return b.String()
}

func join(table, name string) string {
	if table == "" {
		return name
	}
	return table + "." + name
}
