package definition

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestSettings(t *testing.T) {
	for _, tt := range []struct {
		src  string
		want int64
	}{{"", 0}, {"# nothing\n[log]\n", 0}, {"\ufeff[log]\nmax-total = '20GB'\n", 20 << 30}, {"log.max-total = 1048576", 1 << 20}, {"log = {max-total = '0'}", 0}} {
		s, problems := ParseSettings("gsv.toml", []byte(tt.src))
		if s == nil || len(problems) > 0 || s.LogMaxTotal != tt.want || s.Path != "gsv.toml" || string(s.Source) != tt.src {
			t.Errorf("%q: got %+v\n%s", tt.src, s, problems)
			continue
		}
		var changed []string
		if tt.want != 0 {
			changed = []string{"log.max-total"}
		}
		if got := new(Settings).Diff(s); !slices.Equal(got, changed) {
			t.Errorf("%q: changes %s", tt.src, got)
		}
	}
}

// Each testdata/bad_settings/NAME.toml has all that is said about it in NAME.golden.
func TestBadSettings(t *testing.T) {
	files, err := filepath.Glob("testdata/bad_settings/*.toml")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s, problems := ParseSettings("gsv.toml", src)
		if s != nil {
			t.Errorf("%s gave settings", file)
		}
		golden(t, strings.TrimSuffix(file, ".toml")+".golden", problems.String())
	}
	for src, want := range map[string]string{"# \xff": "gsv.toml:1:3: the byte 0xff", strings.Repeat("#", maxSource+1): "gsv.toml: 65537 bytes are too many"} {
		if s, problems := ParseSettings("gsv.toml", []byte(src)); s != nil || !strings.HasPrefix(problems.String(), want) {
			t.Errorf("got %v, %s", s, problems)
		}
	}
}

// No key of a service file is taken for nothing in gsv.toml: each says where it belongs.
func TestSettingsOfServices(t *testing.T) {
	for _, k := range Keys() {
		if settingOf(k.Name) != nil {
			continue
		}
		src := strings.ReplaceAll(k.Name, "NAME", "x") + " = 1\n"
		s, problems := ParseSettings("gsv.toml", []byte(src))
		if s != nil || len(problems) != 1 || !strings.Contains(problems[0].Text, "belongs into a service file") || problems[0].Line != 1 {
			t.Errorf("%s:\n%s", k.Name, problems)
		}
	}
}

func TestLoadSettings(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "gsv.toml")
	if s, problems := LoadSettings(path, false); s != nil || problems.String() != path+": cannot read it: no such file or directory\n" {
		t.Errorf("got %v, %s", s, problems)
	}
	write(t, path, "log.max-total = '1GB'")
	if s, problems := LoadSettings(path, false); s == nil || s.LogMaxTotal != 1<<30 || len(problems) > 0 {
		t.Errorf("got %v, %s", s, problems)
	}
	// As root, what others could change is not taken: without being root, all that this user makes.
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	want := "refused as root: " + path + " is writable for others than root"
	if os.Geteuid() != 0 {
		want = fmt.Sprintf("belongs to uid %d", os.Geteuid())
	}
	if s, problems := LoadSettings(path, true); s != nil || !strings.Contains(problems.String(), want) {
		t.Errorf("got %v, %s", s, problems)
	}
}

func FuzzParseSettings(f *testing.F) {
	files, _ := filepath.Glob("testdata/bad_settings/*.toml")
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	f.Add([]byte("log.max-total = '1GB'"))
	f.Fuzz(func(t *testing.T, src []byte) {
		s, problems := ParseSettings("gsv.toml", src)
		if (s == nil) != problems.Errors() || !safe(problems.String()) {
			t.Fatalf("settings %v, problems:\n%q", s, problems.String())
		}
		if s == nil {
			return
		}
		again, _ := ParseSettings(s.Path, s.Source)
		if again == nil || len(again.Diff(s)) > 0 || s.LogMaxTotal < 0 {
			t.Fatalf("%+v and %+v", s, again)
		}
	})
}
