package definition

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// LoadDirs reads every service file, NAME.toml, of the service directories; in a later
// directory a file of the same name wins. Files whose names begin with a dot or do not end in
// .toml are not looked at. The definitions are sorted by name, and so are the files that
// cannot be used: a bad file takes nothing else down. The error tells of a directory that is
// missing or cannot be read; nothing can be said about any service then.
//
// With root set (gsv runs as root), what a user other than root could change is refused: a
// directory as an error, a file, or what a symbolic link leads to, as bad.
func LoadDirs(dirs []string, root bool, defaults Defaults) (defs []*Definition, bad []Bad, err error) {
	paths := map[string]string{} // by name
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, nil, fmt.Errorf("cannot read the service directory %s: %w", dir, unwrapPath(err))
		}
		if root {
			if d := trusted(dir); d != nil {
				return nil, nil, fmt.Errorf("cannot use the service directory %s: %s; %s", dir, d.why, d.todo)
			}
		}
		for _, e := range entries {
			if name, ok := strings.CutSuffix(e.Name(), ".toml"); ok && !strings.HasPrefix(e.Name(), ".") {
				paths[name] = filepath.Join(dir, e.Name())
			}
		}
	}
	defs, bad = loadAll(paths, root, defaults)
	defs, bad = together(defs, bad, defaults.LogDir)
	return defs, bad, nil
}

// loadAll reads files by their services' names, as many at a time as there are processors.
func loadAll(paths map[string]string, root bool, defaults Defaults) (defs []*Definition, bad []Bad) {
	type share struct {
		defs []*Definition
		bad  []Bad
	}
	names := sortedKeys(paths)
	shares := make([]share, runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	for i := range shares {
		wg.Go(func() {
			s := &shares[i]
			for _, name := range names[i*len(names)/len(shares) : (i+1)*len(names)/len(shares)] {
				s.defs, s.bad = load(s.defs, s.bad, name, paths[name], root, defaults)
			}
		})
	}
	wg.Wait()
	for _, s := range shares {
		defs, bad = append(defs, s.defs...), append(bad, s.bad...)
	}
	return defs, bad
}

// LoadFiles reads just these service files, as LoadDirs does. Two of the same name are bad,
// both. The error is for no files at all.
func LoadFiles(files []string, root bool, defaults Defaults) (defs []*Definition, bad []Bad, err error) {
	if len(files) == 0 {
		return nil, nil, errors.New("cannot load services: no file is named")
	}
	byName := map[string][]string{}
	for _, path := range files {
		name, ok := strings.CutSuffix(filepath.Base(path), ".toml")
		if !ok {
			bad = append(bad, Bad{name, path, Problems{{Path: path, Text: "a service file's name ends in .toml"}}})
			continue
		}
		byName[name] = append(byName[name], path)
	}
	for _, name := range sortedKeys(byName) {
		paths := byName[name]
		if len(paths) == 1 {
			defs, bad = load(defs, bad, name, paths[0], root, defaults)
			continue
		}
		for i, path := range paths {
			other := paths[(i+1)%len(paths)]
			bad = append(bad, Bad{name, path, Problems{{Path: path,
				Text: fmt.Sprintf("duplicate name: %s is a service %q too", other, name),
				Hint: "name each file once; two services need two names"}}})
		}
	}
	defs, bad = together(defs, bad, defaults.LogDir)
	return defs, bad, nil
}

// load appends what one file gives.
func load(defs []*Definition, bad []Bad, name, path string, root bool, defaults Defaults) ([]*Definition, []Bad) {
	src, fault := readSource(path, root)
	if fault != nil {
		return defs, append(bad, Bad{name, path, Problems{*fault}})
	}
	d, problems := Parse(name, path, src, defaults)
	if d == nil {
		return defs, append(bad, Bad{name, path, problems})
	}
	d.settle()
	return append(defs, d), bad
}

// together sees to what services contradict each other in.
func together(defs []*Definition, bad []Bad, logDir string) ([]*Definition, []Bad) {
	defs, bad = onlyMain(defs, bad)
	defs, bad = ownLogs(defs, bad, logDir)
	slices.SortStableFunc(bad, func(a, b Bad) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Path, b.Path)) })
	sharedAddresses(defs)
	return defs, bad
}

// onlyMain makes every main service bad where there are several, for none can be preferred.
func onlyMain(defs []*Definition, bad []Bad) ([]*Definition, []Bad) {
	var mains []*Definition
	for _, d := range defs {
		if d.Main {
			mains = append(mains, d)
		}
	}
	if len(mains) > 1 {
		defs = slices.DeleteFunc(defs, func(d *Definition) bool { return d.Main })
		for i, d := range mains {
			r := reader{path: d.Path, full: strings.TrimPrefix(string(d.Source), "\ufeff")}
			r.places = locate(r.full).places
			r.note(r.keyAt("main"), false, "main: two services cannot be main", mains[(i+1)%len(mains)].Path+" is main too: keep one")
			bad = append(bad, Bad{d.Name, d.Path, append(r.problems, d.Warnings...)})
		}
	}
	return defs, bad
}

// readRegular reads a regular file of at most most bytes; anything else could block.
func readRegular(path string, most int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("it is %s, not a regular file", kindOfFile(info.Mode()))
	}
	src, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(src)) > most {
		return nil, fmt.Errorf("it has more than %d bytes", most)
	}
	return src, err
}

func kindOfFile(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a directory"
	case m&fs.ModeNamedPipe != 0:
		return "a FIFO"
	case m&fs.ModeSocket != 0:
		return "a socket"
	}
	return "a device"
}

// Command makes the definition of `gsv -- COMMAND`: the one service, main, not restarted. argv
// must not be empty. Its name is the program's, or "main" where that is no service's name.
func Command(argv []string, defaults Defaults) *Definition {
	defaults.Container = true
	words := make([]string, len(argv))
	for i, w := range argv {
		words[i] = tomlString(strings.ToValidUTF8(w, "\ufffd"))
	}
	d := newDraft(nameOf(argv[0]), "", []byte("command = ["+strings.Join(words, ", ")+"]\nmain = true\n"), defaults)
	d.Main = true
	d.Restart = No
	d.Definition.Command = slices.Clone(argv)
	d.finish(&reader{broken: true}) // the file it stands for has nothing that could be wrong
	return d.Definition
}
