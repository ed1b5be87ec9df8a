package logs

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// partSuffix is what the file of a run is called, after its Key, that keeps a
// line whose end has not come.
const partSuffix = ".part"

// partPath is where a run's part is kept; "", which no file can be called, means
// nowhere. Names do not end in .DIGITS, so no two keys share a path.
func partPath(dir string, key Key) string {
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, key.String()+partSuffix)
}

// Left returns of which runs there is something in dir, the Options.Dir of Pumps,
// that an earlier Pump has not written to their logs, sorted by their names and
// numbers. Each of them has been there, whatever else is known of it.
func Left(dir string) (keys []Key) {
	entries, _ := os.ReadDir(dir) // that it is missing is told by Tidy
	for _, e := range entries {
		if key, ok := parsePart(e.Name()); ok && !strings.HasSuffix(e.Name(), seenSuffix) {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b Key) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), a.Gen-b.Gen, strings.Compare(a.String(), b.String()))
	})
	return slices.Compact(keys)
}

// Salvage moves to sink what an earlier Pump has left of a run whose pipe is gone,
// such as Left finds. Drained follows, also where there is nothing.
func (p *Pump) Salvage(key Key, sink Sink) error {
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return fmt.Errorf("cannot write what is left of the output of %s: %w", key.Name, os.NewSyscallError("pipe2", err))
	}
	unix.Close(ends[1])
	reader := os.NewFile(uintptr(ends[0]), "ended")
	defer reader.Close()
	return p.Add(key, reader, sink)
}

// Tidy removes from dir, the Options.Dir of Pumps, what they keep there of runs
// for which keep is false: those that a gsv read that is dead, and that nobody
// reads any more. Everything else there stays. A dir that is missing is tidy.
func Tidy(dir string, keep func(Key) bool) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot tidy kept output: %w", err)
	}
	var errs []error
	for _, e := range entries {
		key, ok := parsePart(e.Name())
		if !ok || !e.Type().IsRegular() || keep(key) {
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	if errs != nil {
		return fmt.Errorf("cannot tidy kept output: %w", errors.Join(errs...))
	}
	return nil
}

// parsePart is the run that a file is of: a part, a spill, or what a tap has left.
func parsePart(name string) (Key, bool) {
	for _, suffix := range []string{partSuffix, spillSuffix, seenSuffix} {
		s, ok := strings.CutSuffix(name, suffix)
		if !ok {
			continue
		}
		s, isErr := strings.CutSuffix(s, errSuffix)
		dot := strings.LastIndexByte(s, '.')
		if dot < 1 {
			return Key{}, false
		}
		gen, err := strconv.Atoi(s[dot+1:])
		key := Key{s[:dot], gen, isErr}
		return key, err == nil && gen >= 0 && key.String()+suffix == name
	}
	return Key{}, false
}
