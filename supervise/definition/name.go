package definition

import (
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
)

// nameMax leaves room in a file name (255 bytes) for what logs append to a service's name.
const nameMax = 200

const nameRule = "a service's name is a letter a-z, then letters a-z, digits, _ . -"

var word = regexp.MustCompile(`^[a-z][a-z0-9_.-]*$`)

// instance and the error log are named by what these match: NAME.0, NAME.err.log.
var reserved = regexp.MustCompile(`\.([0-9]+|err)$`)

func validWord(s string) bool { return word.MatchString(s) }

// ValidName says if a service can have this name.
func ValidName(name string) bool { return checkName(name) == "" }

// checkName says what is wrong with a service's name, or "".
func checkName(name string) string {
	switch {
	case name == "":
		return "the service has no name"
	case len(name) > nameMax:
		return "the name is too long: " + strconv.Itoa(len(name)) + " bytes, at most " + strconv.Itoa(nameMax)
	case !word.MatchString(name):
		return quoteAny(name) + " cannot be a service's name"
	case name == "all":
		return `"all" cannot be a service's name, for it reads as every service`
	case reserved.MatchString(name):
		return quoteAny(name) + " cannot be a service's name: its ending is that of an instance or an error log"
	}
	return ""
}

// nameOf is the name of the service that a program would be.
func nameOf(program string) string {
	name := strings.ToLower(filepath.Base(program))
	if ValidName(name) {
		return name
	}
	return "main"
}

// unquoteKey gives the name that a quoted key stands for.
func unquoteKey(quoted string) string {
	var m map[string]string
	if _, err := toml.Decode("k="+quoted, &m); err == nil {
		return m["k"]
	}
	return strings.Trim(quoted, quoted[:1])
}
