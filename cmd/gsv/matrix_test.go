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
const lanes = 6

// A matrix is a table of docs: a row for each cell, a column for each server.
type matrix struct {
	file    string // below docs
	head    string // of its first column
	servers []rowServer
	cells   []cell
}

// Matrices are the tables that are played.
func matrices() []matrix {
	return []matrix{
		{"reload.md", "hup when", servers, cells},
		{"replace.md", "replace when", heldServers(), heldCells()},
	}
}

// TestMatrix plays every cell of the tables in docs/reload.md and docs/replace.md, with the real servers: TestMatrix/starman/syntax_error
// and so on. The tables are what is expected. Each cell has a gsv, directories and a port of its own.
func TestMatrix(t *testing.T) {
	lane := make(chan struct{}, lanes)
	var rows sync.WaitGroup
	for _, m := range matrices() {
		table := m.read(t)
		for _, server := range m.servers {
			rows.Go(func() { m.row(t, &server, table, lane) })
		}
	}
	rows.Wait()
}

// Row plays the cells of a server.
func (m *matrix) row(t *testing.T, server *rowServer, table map[string]string, lane chan struct{}) {
	t.Run(server.name, func(t *testing.T) {
		program := regexp.MustCompile(`\w[^"]*`).FindString(server.command)
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(program + " is not installed")
		}
		var played sync.WaitGroup
		for _, c := range m.cells {
			want, ok := outcomes[table[server.name+"/"+c.name]]
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
}

// TestMatrixTable holds the tables against what the test can play: no cell is missing on either side, each word means something, and
// where a cell has no meaning the text says why.
func TestMatrixTable(t *testing.T) {
	all := ""
	for _, m := range matrices() {
		table, text := m.read(t), m.text(t)
		all += text
		for _, server := range m.servers {
			for _, c := range m.cells {
				name := server.name + "/" + c.name
				word, there := table[name]
				delete(table, name)
				switch _, ok := outcomes[word]; {
				case !there:
					t.Errorf("%s is not in the table of docs/%s", name, m.file)
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
	}
	for word := range outcomes {
		if !strings.Contains(all, "- `"+word+"`: ") {
			t.Errorf("nothing says what %q means", word)
		}
	}
}

func (m *matrix) text(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../../docs/" + m.file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Read reads the table: server/cell and the word there.
func (m *matrix) read(t *testing.T) map[string]string {
	t.Helper()
	table, columns := map[string]string{}, []string(nil)
	for line := range strings.Lines(m.text(t)) {
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
		case fields[0] == m.head:
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
		t.Fatalf("docs/%s has no table", m.file)
	}
	return table
}
