package logs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
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
