package main

import (
	"fmt"
	"os"

	"gsv/supervise/definition"
)

// check says what is wrong with service files: those named, or those of the
// service directories.
func check(args []string) (int, error) {
	s, err := parse(args)
	if err == errHelp {
		return 0, nil
	}
	if err != nil {
		return exitUsage, err
	}
	if s.command != nil {
		return exitUsage, fmt.Errorf("check takes service files, not a command")
	}
	defs, bad, err := s.load(defaults(false))
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
	if len(bad) > 0 {
		return exitInvalid, fmt.Errorf("%d of %d service files cannot be used: %s", len(bad), len(bad)+len(defs), names(bad))
	}
	fmt.Printf("%s, no errors, %s\n", several(len(defs), "service file"), several(warnings, "warning"))
	return 0, nil
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
