package main

import "gsv/control"

// safe is text of others, such as a log line, as it may be shown on stdout: made harmless on a terminal, else as it is.
func (c *cli) safe(text string) string {
	if !c.screen {
		return text
	}
	return control.Harmless(text)
}

// safeErr is the same for stderr.
func (c *cli) safeErr(text string) string {
	if !c.live {
		return text
	}
	return control.Harmless(text)
}

// line is safe text on one line.
func (c *cli) line(text string) string { return control.OneLine(c.safe(text)) }
