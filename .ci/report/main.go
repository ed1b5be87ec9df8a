// Report reads what `go test -json` writes and prints what a person wants of
// it: a line a package, the output of what failed, every test that skipped,
// and how many there were. It fails when a test skipped that is not among its arguments.
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
)

// An event is a line of test2json's; see `go doc test2json`.
type event struct {
	Action, Package, ImportPath, Test, Output string
	Elapsed                                   float64
}

func main() {
	allowed := os.Args[1:]
	output := map[string][]string{} // of each test under way, by package and name
	var skipped []string
	passed, failed := 0, 0
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 16<<20)
	for in.Scan() {
		var e event
		if json.Unmarshal(in.Bytes(), &e) != nil || e.Action == "" {
			fmt.Println(in.Text()) // make's, or vet's
			continue
		}
		key := e.Package + " " + e.Test
		switch e.Action {
		case "output":
			output[key] = append(output[key], e.Output)
		case "build-output":
			fmt.Print(e.Output)
		case "pass", "fail", "skip":
			name := strings.TrimSpace(cmp.Or(e.Test, e.Package))
			if e.Action == "fail" {
				fmt.Print(strings.Join(output[key], ""))
			}
			switch {
			case e.Test == "":
			case e.Action == "pass":
				passed++
			case e.Action == "fail":
				failed++
			}
			if e.Test == "" && e.Action != "skip" || e.Action == "fail" { // a package without tests is a skip
				fmt.Printf("%s %s %.1fs\n", e.Action, name, e.Elapsed)
			}
			if e.Action == "skip" && e.Test != "" {
				skipped = append(skipped, e.Test)
				fmt.Print("skip ", name, "\n", strings.Join(output[key], ""))
			}
			delete(output, key)
		}
	}
	if err := in.Err(); err != nil {
		fmt.Println("cannot read the tests' output:", err)
		os.Exit(1)
	}
	fmt.Printf("%d passed, %d failed, %d skipped\n", passed, failed, len(skipped))
	unexpected := slices.DeleteFunc(skipped, func(t string) bool { return slices.Contains(allowed, t) })
	if len(unexpected) > 0 {
		fmt.Println("skipped, and not among those that may:", strings.Join(unexpected, " "))
		os.Exit(1)
	}
}
