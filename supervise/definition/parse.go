package definition

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"
)

// maxSource is the longest service file, in bytes.
const maxSource = 64 << 10

// A reader reads one file: it collects problems and knows where everything stands.
type reader struct {
	path     string
	full     string // the source as it was
	src      string // the source without the statements that are no TOML
	places   map[string]*place
	problems Problems
	broken   bool            // there was a syntax error: what is missing may stand there
	misnamed map[string]bool // keys that are there under a wrong name
	failed   map[string]bool // keys whose values are wrong
}

// A draft is a definition in the making.
type draft struct {
	*Definition
	defaults     Defaults
	set          map[string]value // the keys that the file has
	stopSignal   syscall.Signal
	stopTimeout  time.Duration
	stopSequence []StopStep
	reloadSignal syscall.Signal
	successExit  []ExitMatch
	socket       *Socket // the one that is being decoded
}

// Parse reads the source of a service file; name is that of the service and path names the
// file in problems. It returns every problem at once. The definition is nil if one of them is
// an error; if there are only warnings they are in Definition.Warnings too.
func Parse(name, path string, src []byte, defaults Defaults) (*Definition, Problems) {
	r := newReader(path, src)
	if len(src) > maxSource {
		return nil, Problems{{Path: path, Text: fmt.Sprintf("%d bytes are too many for a service file: at most %d", len(src), maxSource)}}
	}
	if fault := checkName(name); fault != "" {
		r.problems = append(r.problems, Problem{Path: path, Text: fault, Hint: nameRule})
	}
	tree, ok := r.tree()
	if !ok {
		return nil, r.problems
	}
	d := newDraft(name, path, slices.Clone(src), defaults)
	r.top(d, tree)
	d.finish(r)
	r.problems.sort()
	if r.problems.Errors() {
		return nil, r.problems
	}
	d.Warnings = r.problems
	return d.Definition, r.problems
}

func newReader(path string, src []byte) *reader {
	// A byte order mark, as some editors write; the decoder would drop it and shift every offset.
	full := strings.TrimPrefix(string(src), "\ufeff")
	return &reader{path: path, full: full, src: full, misnamed: map[string]bool{}, failed: map[string]bool{}}
}

// tree decodes the source and finds where everything stands. It returns false for what is no text at all.
func (r *reader) tree() (map[string]any, bool) {
	if !utf8.ValidString(r.src) {
		r.notUTF8()
		return nil, false
	}
	tree := r.decode()
	r.places = locate(r.src).places
	r.duplicates()
	return tree, true
}

func newDraft(name, path string, src []byte, defaults Defaults) *draft {
	d := &draft{defaults: defaults, set: map[string]value{}, Definition: &Definition{
		Name: name, Path: path, Source: src,
		Autostart:          true,
		Inherit:            Inherit{Names: []string{"PATH", "LANG", "LC_*", "TZ"}},
		Umask:              0o022,
		RestartDelay:       500 * time.Millisecond,
		RestartDelayMax:    30 * time.Second,
		StartLimitInterval: 10 * time.Minute,
		RestartDelayFactor: 2,
		MinUptime:          time.Second,
		StartTimeout:       90 * time.Second,
		ReloadTimeout:      time.Minute,
		DrainTimeout:       2 * time.Minute,
		CheckTimeout:       30 * time.Second,
		Ready:              Ready{Interval: 200 * time.Millisecond, Timeout: 2 * time.Second, Statuses: []StatusRange{{200, 399}}},
		Log:                Log{Mode: 0o640, MaxSize: 50 << 20, Keep: 10, Compress: true},
		Watch:              Watch{Debounce: 2 * time.Second, Action: Action{Verb: "hup"}},
	}}
	if defaults.Container {
		d.Inherit = Inherit{All: true}
		d.Log.Output = Stdout
	}
	return d
}

// top decodes the keys at the top of the file, and the tables below them.
func (r *reader) top(d *draft, tree map[string]any) {
	for _, name := range sortedKeys(tree) {
		raw := tree[name]
		if k := rows[name]; k != nil {
			r.decodeKey(d, k, name, raw)
			continue
		}
		known, supported := tableState(name)
		entries, isTable := raw.(map[string]any)
		switch {
		case !known:
			r.unknownKey("", name, name, raw)
		case !supported:
			r.note(r.keyAt(name), false, name+": not supported yet", "")
		case name == "listen":
			r.listen(d, raw)
		case !isTable:
			v := r.value(nil, name, name, raw)
			v.wrong("a table", fmt.Sprintf("write its keys below a header [%s]", name))
		default:
			for _, in := range sortedKeys(entries) {
				if k := rows[name+"."+in]; k != nil {
					r.decodeKey(d, k, name+pathSep+in, entries[in])
				} else {
					r.unknownKey(name, in, name+pathSep+in, entries[in])
				}
			}
		}
	}
}

func (r *reader) decodeKey(d *draft, k *Key, where string, raw any) {
	v := r.value(k, k.Name, where, raw)
	d.set[k.Name] = v
	if !k.Supported {
		r.failed[k.Name] = true
		r.note(r.keyAt(where), false, k.Name+": not supported yet", "")
		return
	}
	k.set(d, v)
}

func (r *reader) value(k *Key, name, where string, raw any) value {
	v := value{r: r, row: k, name: name, where: where, raw: raw}
	if p := r.places[where]; p != nil {
		v.at, v.el = p.val, p.elems
	}
	return v
}

// duplicates notes keys that are set twice in a way that the decoder takes without a word.
func (r *reader) duplicates() {
	for _, where := range sortedKeys(r.places) {
		p := r.places[where]
		if p.again == nil || strings.Contains(where+pathSep, pathSep+element+pathSep) {
			continue
		}
		first, _, _, _ := show(r.full, p.key)
		r.note(*p.again, false, fmt.Sprintf("%q is set a second time", strings.ReplaceAll(where, pathSep, ".")),
			fmt.Sprintf("drop one of the two; the first is in line %d", first))
	}
}

// keyAt is where a key stands.
func (r *reader) keyAt(where string) span {
	if p := r.places[where]; p != nil {
		return p.key
	}
	return span{}
}

// note adds a problem. An empty span is the file as a whole.
func (r *reader) note(at span, warning bool, text, hint string) {
	p := Problem{Path: r.path, Text: text, Hint: hint, Warning: warning}
	if at != (span{}) {
		p.Line, p.Col, p.Width, p.LineText = show(r.full, at)
	}
	r.problems = append(r.problems, p)
}

// notUTF8 notes the first byte that is not UTF-8.
func (r *reader) notUTF8() {
	for i, c := range r.src {
		if _, n := utf8.DecodeRuneInString(r.src[i:]); c == utf8.RuneError && n == 1 {
			r.note(span{i, i + 1}, false, fmt.Sprintf("the byte 0x%02x is not UTF-8", r.src[i]), "save the file as UTF-8")
			return
		}
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
