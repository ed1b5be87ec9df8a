package main_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// Lanes is how many cells of the matrix are played at a time; most of their time they wait.
const lanes = 4

// TestMatrix plays every cell of the table in docs/reload.md, with the real servers: TestMatrix/starman/syntax_error and so on.
// The table is what is expected. Each cell has a gsv, directories and a port of its own.
func TestMatrix(t *testing.T) {
	table := readMatrix(t)
	lane := make(chan struct{}, lanes)
	var rows sync.WaitGroup
	for i := range servers {
		rows.Go(func() {
			server := &servers[i]
			t.Run(server.name, func(t *testing.T) {
				program := regexp.MustCompile(`\w[^"]*`).FindString(server.command)
				if _, err := exec.LookPath(program); err != nil {
					t.Skip(program + " is not installed")
				}
				var played sync.WaitGroup
				for _, c := range cells {
					word := table[server.name+"/"+c.name]
					want, ok := outcomes[word]
					if !ok {
						continue // TestMatrixTable has looked at it
					}
					played.Go(func() {
						lane <- struct{}{}
						defer func() { <-lane }()
						t.Run(c.name, func(t *testing.T) { c.play(newStage(t, server), want) })
					})
				}
				played.Wait()
			})
		})
	}
	rows.Wait()
}

// TestMatrixTable holds the table against what the test can play: no cell is missing on either side, each word means something, and
// where a cell has no meaning the text says why.
func TestMatrixTable(t *testing.T) {
	table, text := readMatrix(t), readReload(t)
	for _, server := range servers {
		for _, c := range cells {
			name := server.name + "/" + c.name
			word, there := table[name]
			delete(table, name)
			switch _, ok := outcomes[word]; {
			case !there:
				t.Errorf("%s is not in the table", name)
			case word == "—" && c.means(server.name):
				t.Errorf("%s can be played, but the table says that it has no meaning", name)
			case word == "—" && !strings.Contains(text, "`"+name+"`: "):
				t.Errorf("nothing says why %s has no meaning", name)
			case word != "—" && !ok:
				t.Errorf("%s: %q is no word of the table", name, word)
			case word != "—" && !c.means(server.name):
				t.Errorf("%s has no meaning, but the table says %q", name, word)
			}
		}
	}
	for name, word := range table {
		t.Errorf("nothing plays %s (%s)", name, word)
	}
	for word := range outcomes {
		if !strings.Contains(text, "- `"+word+"`: ") {
			t.Errorf("nothing says what %q means", word)
		}
	}
}

func readReload(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../../docs/reload.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// ReadMatrix reads the table whose first column is headed "hup when": server/cell and the word there.
func readMatrix(t *testing.T) map[string]string {
	t.Helper()
	table, columns := map[string]string{}, []string(nil)
	for line := range strings.Lines(readReload(t)) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			columns = nil
			continue
		}
		var fields []string
		for f := range strings.SplitSeq(strings.Trim(line, "|"), "|") {
			fields = append(fields, strings.Trim(strings.TrimSpace(f), "`"))
		}
		switch {
		case fields[0] == "hup when":
			columns = fields
		case columns == nil || strings.HasPrefix(fields[0], "---"):
		case len(fields) != len(columns):
			t.Errorf("the table's row %q has %d columns, not %d", fields[0], len(fields), len(columns))
		default:
			for i, word := range fields[1:] {
				table[columns[i+1]+"/"+fields[0]] = word
			}
		}
	}
	if len(table) == 0 {
		t.Fatal("docs/reload.md has no table")
	}
	return table
}
