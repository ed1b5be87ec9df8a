package main_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A recipe is a service file of services.d that docs/recipes.md shows, and how its server is broken.
type recipe struct {
	name    string
	code    string // the file that a broken release breaks, below services.d
	broken  string // what stands at its end then
	inPlace bool   // releases are copied over one another
	fastcgi bool   // it speaks that, not HTTP
	method  string // "replace" and "usr2" do without a check; with "signal" that is all that protects
}

var recipes = []recipe{
	{name: "starman", method: "signal", code: "starman.psgi", inPlace: true, broken: "my $x = ;\n"},
	{name: "starman-replace", method: "replace", code: "apps/app.psgi", broken: "my $x = ;\n"},
	{name: "unicorn", method: "replace", code: "apps/config.ru", broken: "def (\n"},
	{name: "unicorn-usr2", method: "usr2", code: "apps/config.ru", broken: "def (\n"},
	{name: "gunicorn", method: "replace", code: "apps/app.py", broken: "def (\n"},
	{name: "gunicorn-usr2", method: "usr2", code: "apps/app.py", broken: "def (\n"},
	{name: "puma", method: "replace", code: "apps/config.ru", broken: "def (\n"},
	{name: "nginx", method: "replace", code: "apps/nginx.conf", broken: "}\n"},
	{name: "nginx-usr2", method: "usr2", code: "apps/nginx-usr2.conf", broken: "}\n"},
	{name: "php-fpm", method: "replace", code: "apps/php-fpm.conf", broken: "boom = 1\n", fastcgi: true},
	{name: "uwsgi", method: "replace", code: "apps/app.py", broken: "def (\n"},
	{name: "apache", method: "signal", code: "apps/apache.conf", inPlace: true, broken: "Boom on\n"},
}

// A kitchen is where a recipe is tried: a copy of services.d, at a port of its own.
type kitchen struct {
	*stage
	recipe *recipe
}

// TestRecipes deploys to each recipe, with the real server: new code is served, a broken deploy fails and changes nothing.
func TestRecipes(t *testing.T) {
	lane := make(chan struct{}, lanes)
	var all sync.WaitGroup
	for i := range recipes {
		all.Go(func() {
			lane <- struct{}{}
			defer func() { <-lane }()
			t.Run(recipes[i].name, func(t *testing.T) { newKitchen(t, &recipes[i]).cook() })
		})
	}
	all.Wait()
}

func (k *kitchen) cook() {
	t, name := k.t, k.recipe.name
	if err := k.start(k.dir, nil, nil, nil); err != nil {
		t.Fatal(err)
	}
	k.want(0, name+`@app01: started`, "start", name)
	k.answers(1)
	k.release(2, "")
	k.want(0, name+`@app01: reloaded, `, "hup", name)
	k.answers(2)
	k.release(3, k.recipe.broken)
	if k.recipe.method == "signal" {
		k.want(1, name+`@app01: NOT reloaded, .*still serves: check-command exited`, "hup", name)
	} else {
		k.want(1, name+`@app01: NOT reloaded, generation 2 .*still serves: `, "hup", "--no-check", name)
	}
	k.answers(2)
	k.want(9, ``, "status", name)
	k.release(4, "")
	k.want(0, name+`@app01: reloaded, `, "hup", name)
	k.answers(4)
	k.want(0, ``, "status", name)
	k.want(0, name+`@app01: stopped`, "stop", name)
	if c, err := net.Dial("tcp", k.addr()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("stopped, and %s answers: %v", k.addr(), err)
		if err == nil {
			c.Close()
		}
	}
}

func newKitchen(t *testing.T, r *recipe) *kitchen {
	k := &kitchen{recipe: r, stage: &stage{t: t, house: stormHouse(t), port: freePort(t)}}
	if err := os.Chmod(k.dir, 0o755); err != nil { // for www-data
		t.Fatal(err)
	}
	k.copy(r.name+".toml", "services.d/"+r.name+".toml", func(text string) string {
		return "min-uptime = '300ms'\nreload-timeout = '20s'\n" + text
	})
	k.release(1, "")
	return k
}

func (k *kitchen) addr() string { return "127.0.0.1:" + k.port }

// Copy copies a file of services.d, with this kitchen's address in it.
func (k *kitchen) copy(from, to string, edit func(text string) string) {
	b, err := os.ReadFile(filepath.Join("../../services.d", from))
	if err != nil {
		k.t.Fatal(err)
	}
	text := regexp.MustCompile(`127\.0\.0\.1:80\d\d`).ReplaceAllString(string(b), k.addr())
	text = strings.ReplaceAll(text, "/run/nginx-usr2.pid", k.dir+"/nginx-usr2.pid")
	k.write(filepath.Join(k.dir, to), edit(text))
}

// releaseOne is where the files of services.d say that they are release 1.
var releaseOne = regexp.MustCompile(`\b(release\]? ?= ?|site-)1\b`)

// Release deploys the nth release, whose code ends with broken: services.d/apps is a link that is flipped to another
// directory, unless releases are copied into place.
func (k *kitchen) release(n int, broken string) {
	k.t.Helper()
	dir := fmt.Sprint("releases/", n)
	if k.recipe.inPlace {
		dir = "releases/1"
	}
	edit := func(text string) string {
		return releaseOne.ReplaceAllString(text, fmt.Sprint("${1}", n))
	}
	breaks := func(text string) string { return edit(text) + broken }
	err := filepath.WalkDir("../../services.d/apps", func(path string, d fs.DirEntry, err error) error {
		from, _ := filepath.Rel("../../services.d", path)
		to := filepath.Join(dir, edit(strings.TrimPrefix(from, "apps")))
		switch {
		case err != nil || d.Name() == "__pycache__":
		case d.IsDir():
			err = os.MkdirAll(filepath.Join(k.dir, to), 0o755)
		case from == k.recipe.code:
			k.copy(from, to, breaks)
		default:
			k.copy(from, to, edit)
		}
		return err
	})
	if err != nil {
		k.t.Fatal(err)
	}
	if !strings.HasPrefix(k.recipe.code, "apps/") {
		k.copy(k.recipe.code, "services.d/"+k.recipe.code, breaks)
	}
	link := k.dir + "/services.d/apps"
	if err := os.Symlink("../"+dir, link+".new"); err != nil {
		k.t.Fatal(err)
	}
	if err := os.Rename(link+".new", link); err != nil {
		k.t.Fatal(err)
	}
}

// Answers asks some times, and each answer must come from the nth release.
func (k *kitchen) answers(n int) {
	k.t.Helper()
	if !k.recipe.fastcgi {
		k.servesLike(fmt.Sprint(n))
		return
	}
	for range 4 {
		text, err := askFastCGI(k.addr(), k.dir+"/services.d/apps/index.php", 3*time.Second)
		if _, body, _ := strings.Cut(text, "\r\n\r\n"); err != nil || body != fmt.Sprintf("release=%d\n", n) {
			k.t.Errorf("%q answers (%v), want release %d", text, err, n)
		}
	}
}

// ServesLike is serves, of a Starman that adds its pid to the release.
func (k *kitchen) servesLike(release string) {
	k.t.Helper()
	for range 4 {
		got, err := k.request("/", 3*time.Second)
		if got, _, _ = strings.Cut(got, " "); err != nil || got != release {
			k.t.Errorf("release %q answers (%v), want %s", got, err, release)
			return
		}
	}
}

// TestRecipesPage holds docs/recipes.md against services.d: it shows each recipe, and what it shows of a file is what the file says.
func TestRecipesPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/recipes.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	for _, m := range regexp.MustCompile("(?ms)^`services\\.d/([^`\n]*)`:\n\n```[a-z]*\n(.*?)^```$").FindAllStringSubmatch(string(page), -1) {
		shown[m[1]] = true
		file, err := os.ReadFile(filepath.Join("../../services.d", m[1]))
		if err != nil {
			t.Error(err)
		} else if string(file) != m[2] {
			t.Errorf("services.d/%s is not what docs/recipes.md shows of it, but\n%s", m[1], file)
		}
	}
	for _, r := range recipes {
		if !shown[r.name+".toml"] {
			t.Errorf("docs/recipes.md does not show services.d/%s.toml", r.name)
		}
	}
	files, _ := filepath.Glob("../../services.d/*.toml")
	for _, file := range files {
		b, err := os.ReadFile(file)
		name := strings.TrimSuffix(filepath.Base(file), ".toml")
		played := false
		for _, r := range recipes {
			played = played || r.name == name
		}
		if err != nil || !played && strings.Contains(string(b), "[listen.") {
			t.Errorf("%s: no recipe of the test (%v)", file, err)
		}
	}
}
