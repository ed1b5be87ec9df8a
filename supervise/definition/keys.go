package definition

import (
	"slices"
	"strings"
)

// A Key is one row of the key table: all that is known about one key of a service file.
type Key struct {
	Name    string // "stop-timeout", "ready.tcp"; a part in capitals stands for a name of the user's choice
	Type    string // what its value is, for people: "duration", "array of strings"
	Default string // as written in a file, or in words; "" = none
	Doc     string // what it means, in a sentence or two
	Enum    []Enum // the values it takes, if only these

	// The names other supervisors give to the same thing, separated by spaces. Whoever writes
	// one of them is told Name.
	Systemd, Supervisord, Pebble, Other string

	Supported bool // false: using it is an error, "not supported yet"
	Live      bool // a change needs no new process

	set func(*draft, value)   // nil if not supported
	get func(*Definition) any // what Diff compares; nil if it is seen by another row
}

// An Enum is one value that a key takes.
type Enum struct {
	Name      string
	Supported bool
}

// table is the key table.
var table = slices.Concat(whatKeys, whoKeys, logKeys, listenKeys, readyKeys, whenKeys, howKeys, reloadKeys, watchKeys, laterKeys)

// rows finds a key by its name.
var rows = func() map[string]*Key {
	m := map[string]*Key{}
	for i := range table {
		m[table[i].Name] = &table[i]
	}
	return m
}()

// Keys returns the key table, in the order of the reference page.
func Keys() []Key { return slices.Clone(table) }

// Table is the name of the table the key stands in, "" for the top of the file, and In its
// name there. The two rows "environment" and "allow" are tables of names the user chooses.
func (k Key) Table() string { t, _ := k.split(); return t }

// In is the key's name inside its table.
func (k Key) In() string { _, n := k.split(); return n }

func (k Key) split() (table, name string) {
	if i := strings.LastIndexByte(k.Name, '.'); i >= 0 {
		return k.Name[:i], k.Name[i+1:]
	}
	return "", k.Name
}

// named says that the key stands in tables whose names are the user's: [listen.NAME].
func (k Key) named() bool { return strings.HasSuffix(k.Table(), ".NAME") }

// outer is the first part of the table's name.
func (k Key) outer() string { return strings.TrimSuffix(k.Table(), ".NAME") }

// free says that the names in the key's table are the user's.
func (k Key) free() bool { return strings.HasPrefix(k.Type, "table") }

// tableState says what [name] is: no table of ours, one with keys that are there, or one
// that comes later as a whole.
func tableState(name string) (known, supported bool) {
	for _, k := range table {
		if k.outer() == name || k.Name == name && k.free() {
			known, supported = true, supported || k.Supported
		}
	}
	return known, supported
}

func on(names ...string) []Enum {
	var e []Enum
	for _, n := range names {
		e = append(e, Enum{n, true})
	}
	return e
}

func off(names ...string) []Enum {
	var e []Enum
	for _, n := range names {
		e = append(e, Enum{n, false})
	}
	return e
}
