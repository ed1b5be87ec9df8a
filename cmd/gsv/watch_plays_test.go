package main_test

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// A play is a way in which files come to be where they are served.
type play struct {
	name   string
	watch  string        // a line of [watch]; what is watched is site, unless it says paths
	rest   time.Duration // debounce, if what is done takes long
	begin  func(y *yard) // what is there before: release 1 in site, and release 2 in next
	deploy func(y *yard)
	quiet  bool // nothing that counts is changed by it
	whole  bool // site is then what next is
}

// Plays are what people deploy with, and what looks like it and is no deploy.
var plays = []play{
	{name: "rsync", whole: true, deploy: func(y *yard) { y.run("rsync", "-a", "--delete", "next/", "site") }},
	{name: "rsync by Archer", deploy: func(y *yard) {
		y.run("rsync", "--archive", "--compress", "--delete", "--verbose", "--exclude=.svn/", "--exclude=tmp/*", "--exclude=log/*", "next/", "site/")
	}, whole: true},
	{name: "rsync in place", whole: true, deploy: func(y *yard) { y.run("rsync", "-a", "--inplace", "--delete", "next/", "site") }},
	{name: "rsync without delete", deploy: func(y *yard) { y.run("rsync", "-a", "next/", "site") }},
	{name: "rsync delay-updates", whole: true, deploy: func(y *yard) { y.run("rsync", "-a", "--delay-updates", "--delete", "next/", "site") }},
	{name: "rsync delete-after", whole: true, deploy: func(y *yard) { y.run("rsync", "-a", "--delete-after", "next/", "site") }},
	{name: "rsync only deletes", whole: true, deploy: func(y *yard) {
		y.sh(`rm -r next; cp -a site next; rm next/lib/App/View.pm; rsync -a --delete next/ site`)
	}},
	{name: "rsync partial-dir", whole: true, deploy: func(y *yard) { y.run("rsync", "-a", "--partial-dir=.part", "--delete", "next/", "site") }},
	{name: "rsync temp-dir", whole: true, deploy: func(y *yard) { y.sh(`mkdir temp; rsync -a --temp-dir=$PWD/temp --delete next/ site`) }},
	{name: "rsync from git export", whole: true, deploy: func(y *yard) { // each file with the time of now
		y.sh(`find next -exec touch {} +; rsync -rlp --delete next/ site`)
	}},
	{name: "rsync of the same with new times", quiet: true, deploy: func(y *yard) {
		y.sh(`rm -r next; cp -r site next; find next -exec touch -d 2031-01-01 {} +; rsync -a --delete next/ site`)
	}, whole: true},
	{name: "rsync without times of the same", quiet: true, deploy: func(y *yard) {
		y.sh(`rm -r next; cp -r site next; find next -exec touch -d 2031-01-01 {} +; rsync -r --delete next/ site`)
	}, whole: true},
	{name: "rsync of the times alone", quiet: true, deploy: func(y *yard) {
		y.sh(`rm -r next; cp -r site next; find next -exec touch -d 2031-01-01 {} +; rsync -ac --delete next/ site`)
	}, whole: true},
	{name: "rsync with nothing to do", quiet: true, deploy: func(y *yard) { y.sh(`rm -r next; cp -a site next; rsync -a --delete next/ site`) }, whole: true},

	{name: "git checkout", whole: true, begin: gitTree, deploy: func(y *yard) { y.run("git", "-C", "site", "checkout", "-q", "two") }},
	{name: "git reset", whole: true, begin: gitTree, deploy: func(y *yard) { y.run("git", "-C", "site", "reset", "-q", "--hard", "two") }},
	{name: "git pull", whole: true, begin: gitClone, deploy: func(y *yard) { y.run("git", "-C", "site", "pull", "-q", "--ff-only", "origin", "two") }},
	{name: "git fetch", quiet: true, begin: gitClone, deploy: func(y *yard) { y.run("git", "-C", "site", "fetch", "-q", "origin", "two") }},
	{name: "git commit", quiet: true, begin: gitTree, deploy: func(y *yard) { y.run("git", "-C", "site", "commit", "-q", "--allow-empty", "-m", "3") }},

	{name: "tar x", deploy: func(y *yard) { y.sh(`tar -C next -cf - . | tar -C site -xf -`) }},
	{name: "tar x of the same", quiet: true, deploy: func(y *yard) { y.sh(`tar -C site -cf same.tar .; tar -C site -xf same.tar`) }},
	{name: "unzip", deploy: func(y *yard) { y.zip(); y.run("unzip", "-qo", "next.zip", "-d", "site") }},
	{name: "cp -r", deploy: func(y *yard) { y.run("cp", "-r", "next/.", "site") }},
	{name: "cp -r of the same", quiet: true, deploy: func(y *yard) { y.sh(`cp -r site same; cp -r same/. site`) }},
	{name: "install", deploy: func(y *yard) { y.run("install", "-m", "644", "next/lib/App.pm", "site/lib/App.pm") }},

	{name: "ln -sfn", whole: true, begin: linked, deploy: func(y *yard) { y.sh(`mv next releases/2; ln -sfn releases/2 site; cp -r releases/2 next`) }},
	{name: "mv -T of a link", whole: true, begin: linked, deploy: func(y *yard) {
		y.sh(`mv next releases/2; ln -s releases/2 site.new; mv -T site.new site; cp -r releases/2 next`)
	}},
	{name: "a link of a link", whole: true, begin: func(y *yard) {
		y.sh(`mkdir releases; mv site releases/1; ln -s releases/1 current; ln -s current site`)
	}, deploy: func(y *yard) {
		y.sh(`mv next releases/2; ln -sfn releases/2 current; cp -r releases/2 next`)
	}},
	{name: "a link above", whole: true, begin: func(y *yard) {
		y.sh(`mkdir -p releases/1; mv site releases/1/app; ln -s releases/1 current; ln -s current/app site`)
	}, deploy: func(y *yard) {
		y.sh(`mkdir releases/2; cp -r next releases/2/app; ln -s releases/2 current.new; mv -T current.new current`)
	}},
	{name: "rsync below a link", whole: true, begin: linked, deploy: func(y *yard) { y.run("rsync", "-a", "--delete", "next/", "site/") }},
	{name: "mv of a directory", whole: true, deploy: func(y *yard) { y.sh(`cp -r next new; mv site old; mv new site; rm -r old`) }},
	{name: "rm and cp", whole: true, rest: 1500 * time.Millisecond, deploy: func(y *yard) { y.sh(`rm -r site; cp -r next site`) }},

	{name: "sed -i", deploy: func(y *yard) { y.run("sed", "-i", "s/release 1/release 2/", "site/lib/App.pm") }},
	{name: "vim backupcopy no", deploy: func(y *yard) { y.vim("site/lib/App.pm", false) }},
	{name: "vim backupcopy yes", deploy: func(y *yard) { y.vim("site/lib/App.pm", true) }},
	{name: "emacs", deploy: func(y *yard) { y.emacs("site/lib/App.pm") }},
	{name: "an editor that is open", quiet: true, deploy: func(y *yard) { y.put("site/lib/.App.pm.swp", "b0VIM 9.0") }},
	{name: "a deploy while an editor is open", begin: func(y *yard) { y.put("site/lib/.App.pm.swp", "b0VIM 9.0") }, deploy: func(y *yard) {
		y.run("cp", "-r", "next/.", "site")
	}},

	{name: "chmod", quiet: true, deploy: func(y *yard) { y.sh(`chmod 600 site/lib/App.pm; chmod 700 site/lib`) }},
	{name: "touch", quiet: true, deploy: func(y *yard) {
		y.sh(`find site -exec touch {} +; touch -a site/lib/App.pm; find site -exec touch -d 2031-01-01 {} +`)
	}},
	{name: "reads", quiet: true, deploy: func(y *yard) {
		y.sh(`cat site/lib/App.pm; grep -r release site; find site -ls; tar -cf /dev/null site`)
	}},
	{name: "opened to write and closed", quiet: true, deploy: func(y *yard) { y.sh(`: >>site/lib/App.pm`) }},
	{name: "written and put back", quiet: true, rest: 1500 * time.Millisecond, deploy: func(y *yard) {
		y.sh(`cp -a site/lib/App.pm kept; echo more >>site/lib/App.pm; cp kept site/lib/App.pm`)
	}},
	{name: "an empty directory", quiet: true, deploy: func(y *yard) { y.sh(`mkdir -p site/empty/below; rmdir site/empty/below`) }},
	{name: "beside it", quiet: true, deploy: func(y *yard) { y.sh(`mkdir other; cp -r next other/next`) }},
	{name: "ignored", quiet: true, watch: `ignore = [".svn/", "tmp/*", "log/*"]`, deploy: func(y *yard) {
		y.sh(`mkdir -p site/tmp site/log site/lib/.svn/text-base; echo 1 >site/tmp/cache; echo 1 >>site/log/web.log; echo 1 >site/lib/.svn/text-base/App.pm; mkdir site/tmp/more; echo 1 >site/tmp/more/cache`)
	}},
	{name: "ignored and others", watch: `ignore = ["tmp/*"]`, deploy: func(y *yard) { y.sh(`mkdir -p next/tmp; echo 1 >next/tmp/cache; rsync -a --delete next/ site`) }, whole: true},
	{name: "ignored but for one", watch: `ignore = ["*.css", "!style.css"]`, deploy: func(y *yard) { y.sh(`echo 'p { margin: 1px }' >site/public/style.css`) }},

	{name: "new directories", deploy: func(y *yard) { y.sh(`mkdir -p site/a/b/c; echo 1 >site/a/b/c/d`) }},
	{name: "a new tree at once", deploy: func(y *yard) { y.run("cp", "-r", "next", "site/lib/Copy") }},
	{name: "a directory moved in", deploy: func(y *yard) { y.sh(`cp -r next whole; mv whole site/lib/Whole`) }},
	{name: "a directory moved out", deploy: func(y *yard) { y.sh(`mv site/lib/App out`) }},
	{name: "a directory renamed", deploy: func(y *yard) { y.sh(`mv site/lib/App site/lib/Other`) }},
	{name: "a file renamed", deploy: func(y *yard) { y.sh(`mv site/lib/App.pm site/lib/Other.pm`) }},
	{name: "a file removed", deploy: func(y *yard) { y.sh(`rm site/lib/App/View.pm`) }},

	{name: "a path that appears", watch: `paths = ["SITE/late/er"]`, deploy: func(y *yard) { y.sh(`mkdir -p site/late/er; echo 1 >site/late/er/file`) }},
	{name: "a path that does not appear", quiet: true, watch: `paths = ["SITE/late/er"]`, deploy: func(y *yard) { y.sh(`mkdir -p site/late; echo 1 >site/late/other`) }},
	{name: "a link that appears", watch: `paths = ["DIR/current"]`, deploy: func(y *yard) { y.sh(`cp -r next/. site; ln -s next current`) }},
	{name: "a file alone", watch: `paths = ["SITE/lib/App.pm"]`, deploy: func(y *yard) { y.run("sed", "-i", "s/release 1/release 2/", "site/lib/App.pm") }},
	{name: "beside a file", quiet: true, watch: `paths = ["SITE/lib/App.pm"]`, deploy: func(y *yard) { y.run("sed", "-i", "s/release 1/release 2/", "site/lib/App/View.pm") }},
	{name: "a glob", watch: `paths = ["SITE/lib/*.pm", "SITE/templates"]`, deploy: func(y *yard) { y.sh(`echo '1;' >site/lib/New.pm`) }},
	{name: "outside a glob", quiet: true, watch: `paths = ["SITE/lib/*.pm"]`, deploy: func(y *yard) { y.sh(`echo '1;' >site/lib/New.txt`) }},
	{name: "polled", watch: `poll = "300ms"`, whole: true, deploy: func(y *yard) { y.run("rsync", "-a", "--delete", "next/", "site") }},
}

// TestWatchPlays plays all of them without any gsv: each does to the files what it says.
func TestWatchPlays(t *testing.T) {
	eachPlay(t, func(y *yard, p *play) {
		before := y.digest(y.site)
		p.deploy(y)
		after := y.digest(y.site)
		if !p.quiet && after == before {
			t.Error("nothing that is served has changed")
		}
		if next := y.next; p.whole && after != y.digest(next) {
			t.Error("what is served then is not the next release")
		}
	})
}

// EachPlay has each played on a yard of its own, some at a time.
func eachPlay(t *testing.T, on func(y *yard, p *play)) {
	lane := make(chan struct{}, lanes)
	var played sync.WaitGroup
	for _, p := range plays {
		played.Go(func() {
			lane <- struct{}{}
			defer func() { <-lane }()
			t.Run(p.name, func(t *testing.T) {
				y := newYard(t)
				y.stageNext()
				if p.begin != nil {
					p.begin(y)
				}
				on(y, &p)
			})
		})
	}
	played.Wait()
}

// Linked lets site be a link to a directory of releases.
func linked(y *yard) { y.sh(`mkdir releases; mv site releases/1; ln -s releases/1 site`) }

// GitTree makes site a work tree whose branch two is the next release.
func gitTree(y *yard) {
	y.sh(`git init -q -b one site; cd site; git add -A; git commit -q -m 1
git checkout -q -b two; find . -path ./.git -prune -o -type f -exec rm {} +; cp -r ../next/. .; git add -A; git commit -q -m 2
git checkout -q one`)
}

// GitClone makes site a clone of one where the next release is on branch two.
func gitClone(y *yard) {
	gitTree(y)
	y.sh(`mv site origin; git clone -q -b one --single-branch origin site`)
}

// Zip packs the next release.
func (y *yard) zip() {
	y.t.Helper()
	y.sh(`cd next; zip -qr ../next.zip .`)
}

// Vim saves a file as vim does: beside a swap file, after it has tried whether it can make files there. With backupcopy
// it writes the file itself, else a new one in its place.
func (y *yard) vim(name string, backupcopy bool) {
	y.t.Helper()
	keep := `mv $f $f~`
	if backupcopy {
		keep = `cp $f $f~`
	}
	dir, base := filepath.Split(name)
	y.sh(fmt.Sprintf(`f=%s%s; swap=%[1]s.%[2]s.swp; try=%[1]s4913
echo b0VIM >$swap; : >$try; chmod 644 $try; rm $try
%[3]s; sed 's/release 1/release 2/' <$f~ >$f; rm $f~ $swap`, dir, base, keep))
}

// Emacs saves a file as emacs does: locked by a link that leads nowhere, after it has saved it beside by itself; the
// old one stays as FILE~.
func (y *yard) emacs(name string) {
	y.t.Helper()
	dir, base := filepath.Split(name)
	y.sh(fmt.Sprintf(`f=%s%s; lock="%[1]s.#%[2]s"; own="%[1]s#%[2]s#"
ln -s me@app01.1:2 "$lock"; cp $f "$own"
mv $f $f~; sed 's/release 1/release 2/' <$f~ >$f; rm "$lock" "$own"`, dir, base))
}
