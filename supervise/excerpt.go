package supervise

import (
	"fmt"
	"regexp"
)

// cause is what a line looks like that names the cause of a failure, in the
// languages of the servers that are known: SyntaxError, Exception, "Can't locate
// X.pm", "[emerg]", "die at", "Error while loading".
var cause = regexp.MustCompile(`(?i)\w*(error|exception)\b|\bfatal\b|\bemerg\b|can't locate|no such file|not found|cannot load|undefined (method|local|sub)`)

// causes is how many of n lines are kept for such lines, where they come
// earlier than the last ones.
const causes = 3 // of five

// excerpt is n lines of a failed attempt: the last ones, and before them the
// first that name a cause, for a server that tries again and again, or says much
// when it ends, has pushed that away. Lines are cut to shownBytes in all.
func excerpt(lines []string, n int) []string {
	if len(lines) <= n {
		return cloneAll(cutLines(lines))
	}
	last := len(lines) - n*(5-causes)/5
	var shown []string
	seen := map[string]bool{}
	next := 0 // the line after the last one that is shown
	for i, line := range lines[:last] {
		if len(shown) >= n*causes/5 {
			break
		}
		if seen[line] || !cause.MatchString(line[:min(len(line), 1<<10)]) {
			continue
		}
		seen[line] = true
		shown = append(gap(shown, i-next), line)
		next = i + 1
	}
	if next == 0 { // nothing names a cause: the last lines are as good as any
		last, next = len(lines)-n, len(lines)-n
	}
	shown = gap(shown, last-next)
	return cloneAll(cutLines(append(shown, lines[last:]...)))
}

// gap says that n lines are left out.
func gap(lines []string, n int) []string {
	if n == 0 {
		return lines
	}
	return append(lines, fmt.Sprintf("(… %s left out)", plural(n, "line", "lines")))
}

// cutLines leaves out what is more than shownBytes.
func cutLines(lines []string) []string {
	size := 0
	for i, line := range lines {
		if size += len(line) + 1; size > shownBytes {
			return append(lines[:i:i], andMore)
		}
	}
	return lines
}
