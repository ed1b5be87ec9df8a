package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// DigestArg is the first argument of one that says a digest and is no server.
const digestArg = "digest"

// Digest is of all files below dir, their names and what they contain, but for what
// git and Subversion keep there. A link counts by what is written in it, except dir itself.
func digest(dir string) (string, error) {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := d.Name(); d.IsDir() {
			if name == ".git" || name == ".svn" {
				return fs.SkipDir
			}
			return nil
		}
		var content []byte
		switch {
		case d.Type().IsRegular():
			content, err = os.ReadFile(path)
		case d.Type()&fs.ModeSymlink != 0:
			var to string
			to, err = os.Readlink(path)
			content = []byte(to)
		default:
			return nil
		}
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		fmt.Fprintf(sum, "%q %d\n", name, len(content))
		sum.Write(content)
		return err
	})
	return hex.EncodeToString(sum.Sum(nil)[:8]), err
}
