package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gsv/supervise/definition"
)

// check says what is wrong with service files: those named, by their paths or by
// their services' names, or all of the service directories and gsv.toml.
func check(args []string) (int, error) {
	s, err := parse(args)
	if err == errHelp {
		return 0, nil
	}
	if err != nil && slices.ContainsFunc(s.files, serviceName) {
		err = s.findFiles(err)
	}
	if err != nil {
		return exitUsage, err
	}
	if s.command != nil {
		return exitUsage, fmt.Errorf("check takes service files, not a command")
	}
	config := s.hasConfig() && (len(s.files) == 0 || s.configNamed)
	badConfig := ""
	if config {
		fresh, problems := s.loadSettings()
		if fresh == nil {
			badConfig = s.config
		}
		fmt.Fprint(os.Stderr, problems.String())
	}
	defs, bad, err := s.load(s.defaults(false))
	if err != nil {
		return exitInvalid, err
	}
	warnings := 0
	for _, b := range bad {
		fmt.Fprint(os.Stderr, b.Problems.String())
	}
	for _, d := range defs {
		fmt.Fprint(os.Stderr, d.Warnings.String())
		warnings += len(d.Warnings)
	}
	var faults []string
	if badConfig != "" {
		faults = append(faults, "the settings cannot be used: "+badConfig)
	}
	if len(bad) > 0 {
		faults = append(faults, fmt.Sprintf("%d of %d service files cannot be used: %s", len(bad), len(bad)+len(defs), names(bad)))
	}
	if len(faults) > 0 {
		return exitInvalid, errors.New(strings.Join(faults, "; "))
	}
	what := several(len(defs), "service file")
	if config {
		what = s.config + " and " + what
	}
	fmt.Printf("%s, no errors, %s\n", what, several(warnings, "warning"))
	return 0, nil
}

// serviceName says if a word is the name of a service rather than a path.
func serviceName(word string) bool {
	if strings.Contains(word, "/") || strings.HasSuffix(word, ".toml") {
		return false
	}
	_, err := os.Lstat(word)
	return err != nil
}

// findFiles puts files of the service directories in the place of services'
// names. fault is for a word that is neither.
func (s *settings) findFiles(fault error) error {
	if err := s.complete(); err != nil {
		return err
	}
	for i, word := range s.files {
		if strings.HasSuffix(word, ".toml") {
			continue
		}
		if !serviceName(word) {
			return fault
		}
		for _, dir := range slices.Backward(s.services) {
			path := filepath.Join(dir, word+".toml")
			if _, err := os.Lstat(path); err == nil {
				s.files[i] = path
				break
			}
		}
		if s.files[i] == word {
			return fmt.Errorf("there is no %s.toml in %s (--services DIR is another directory, and a file is named by its path)", word, strings.Join(s.services, ", "))
		}
	}
	return nil
}

func several(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

func names(bad []definition.Bad) string {
	text := ""
	for i, b := range bad {
		if i > 0 {
			text += ", "
		}
		text += b.Path
	}
	return text
}
