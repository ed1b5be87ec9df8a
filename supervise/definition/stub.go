package definition

// Diff lists the keys whose meaning differs from d to o, in the key table's order.
func (d *Definition) Diff(o *Definition) []Change { return nil }

// Credentials is who a service runs as.
type Credentials struct {
	UID, GID          uint32
	Groups            []uint32 // supplementary; the whole list
	Name, Home, Shell string   // "" if UID is not in the user database
}

// Credentials looks up User, Group and SupplementaryGroups, anew each time. It returns nil if none is set.
func (d *Definition) Credentials() (*Credentials, error) { return nil, nil }

// Environ makes the environment of one start of the service.
func (d *Definition) Environ(inherited []string, gen int) ([]string, error) { return nil, nil }

// A Problem is one thing that is wrong with a service file, and where.
type Problem struct {
	Path     string // of the file
	Line     int    // from 1; 0 = the file as a whole
	Col      int    // in bytes from 1
	Width    int    // of what is wrong, in bytes; at least 1 where Line is not 0
	Text     string // what is wrong
	Hint     string // what to do; may be empty
	LineText string // the source line
	Warning  bool   // the file can be used nevertheless
}

func (p Problem) String() string { return p.Text }

// Problems are the problems of one file, or of several, in the order of their lines.
type Problems []Problem

func (ps Problems) String() string { return "" }

// Errors says if any problem is more than a warning.
func (ps Problems) Errors() bool { return false }

// A Bad is a service file that cannot be used.
type Bad struct {
	Name, Path string
	Problems   Problems
}

// Parse reads a service file.
func Parse(name, path string, src []byte, d Defaults) (*Definition, Problems) { return nil, nil }

// Loaded is what service files gave.
type Loaded struct {
	Definitions []*Definition // sorted by name
	Bad         []Bad         // sorted by name, then path
	Warnings    Problems      // of the good files
}

// LoadDirs reads every service file of the service directories; a later directory wins.
func LoadDirs(dirs []string, root bool, d Defaults) (Loaded, error) { return Loaded{}, nil }

// LoadFiles reads just these service files.
func LoadFiles(files []string, root bool, d Defaults) (Loaded, error) { return Loaded{}, nil }

// Command makes the definition of `gsv -- COMMAND`.
func Command(argv []string, d Defaults) *Definition { return nil }
