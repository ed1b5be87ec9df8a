// Package terminal makes text of others fit to stand on a terminal.
package terminal

import (
	"bytes"
	"strings"
)

// Harmless is text without control characters, which could rewrite what is on
// the terminal: each is shown as U+FFFD. Line ends and tabs stay.
func Harmless(text string) string { return strings.Map(harmless, text) }

// HarmlessBytes is Harmless. What is no UTF-8 becomes U+FFFD too: a terminal may
// take its bytes for C1 controls.
func HarmlessBytes(text []byte) []byte { return bytes.Map(harmless, text) }

func harmless(r rune) rune {
	if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 { // C0, DEL and C1 (ECMA-48, 5.2 and 5.3)
		return '\ufffd'
	}
	return r
}
