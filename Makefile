# make run     build all and run gsv on services.d, in the foreground
# make test    install from Debian what the tests need, then check everything
# make bench   every benchmark, for benchstat     COUNT=10 BENCH=. PKG=./...
# make fuzz    every fuzz target for FUZZTIME each     FUZZTIME=60s
# make soak    the tests again and again, on one processor and on two     SOAK=20
# make deploys the table of docs/deploys.md: what deploys cost, by gsv and by others     DEPLOYS=20
# make install gsv and gsvctl, with their completions, below DESTDIR and PREFIX
GO ?= go
PREFIX ?= /usr/local
PKG ?= ./...
COUNT ?= 10
BENCH ?= .
FUZZTIME ?= 60s
SOAK ?= 20
DEPLOYS ?= 20
TESTFLAGS ?=

# gcc and libc6-dev are what -race needs; systemd has journald, which runs without the rest of it. Then come the servers
# that are driven (starman brings start_server).
PACKAGES = gcc libc6-dev curl util-linux procps rsync git unzip zip logrotate systemd \
	starman unicorn gunicorn puma nginx-light apache2-bin php-fpm uwsgi-core uwsgi-plugin-python3
# PEERS are the supervisors that deploys are measured beside.
PEERS = supervisor daemontools runit s6
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: build run test packages vet bench fuzz soak deploys install clean

build:
	$(GO) build -o bin/ ./cmd/gsv ./cmd/gsvctl ./services.d/prefork

run: build
	@echo
	@echo 'gsv runs here until Ctrl-C. The web server answers on http://127.0.0.1:8080/'
	@echo 'In another terminal, in this directory:'
	@echo '    ./bin/gsvctl status                     what runs'
	@echo '    curl http://127.0.0.1:8080/             which release answers'
	@echo '    echo 2 >services.d/prefork/release.txt  a new release ...'
	@echo '    ./bin/gsvctl hup web                    ... and serve it'
	@echo
	@exec bin/gsv --services services.d

test: packages vet
	$(GO) test -race -timeout 20m -parallel 4 $(TESTFLAGS) $(PKG)

# No daemon is started by its installation: each test runs its own.
packages:
	@missing=; for p in $(PACKAGES); do \
		dpkg-query -W -f '$${db:Status-Status}' $$p 2>/dev/null | grep -qx installed || missing="$$missing $$p"; \
	done; \
	[ -z "$$missing" ] && exit 0; \
	sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	echo "installing$$missing"; \
	policy=/usr/sbin/policy-rc.d; \
	if ! [ -e $$policy ]; then \
		trap "$$sudo rm -f $$policy" EXIT; trap 'exit 1' INT TERM; \
		printf '#!/bin/sh\nexit 101\n' | $$sudo tee $$policy >/dev/null && $$sudo chmod 755 $$policy || exit 1; \
	fi; \
	$$sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq update && \
	$$sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $$missing >/dev/null

vet:
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "not gofmt'ed: $$unformatted"; exit 1; }
	$(GO) vet ./...
	GOARCH=arm64 CGO_ENABLED=0 $(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

bench:
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -count $(COUNT) $(PKG)

fuzz:
	@grep -rno --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' . | while IFS=: read -r file line name; do \
		$(GO) test -run '^$$' -fuzz "^$${name#func }$$" -fuzztime $(FUZZTIME) "$$(dirname $$file)" || exit 1; \
	done

soak: packages
	GSV_LOGS=2048 $(GO) test -race -timeout 0 -count 1 -v -run '^TestLog(Soak|Deaths|Many)$$' ./cmd/gsv
	GSV_WATCH=100 $(GO) test -race -timeout 0 -count 1 -v -run '^TestWatchLoad$$' ./cmd/gsv
	GSV_KILLS=100 GSV_STEPS=1 $(GO) test -race -timeout 0 -count $(SOAK) -cpu 1,2 $(TESTFLAGS) $(PKG)

# On a machine that does nothing else: twenty minutes in which it is busy.
deploys: PACKAGES += $(PEERS)
deploys: packages
	GSV_DEPLOYS=$(DEPLOYS) GSV_DEPLOYS_TABLE=$(CURDIR)/docs/deploys.md $(GO) test ./cmd/gsv -run '^TestDeploys$$' -v -count 1 -timeout 0 $(TESTFLAGS)

install: build
	install -D -t $(DESTDIR)$(PREFIX)/bin bin/gsv bin/gsvctl
	install -d $(DESTDIR)/etc/gsv/services.d
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/share/zsh/site-functions $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	bin/gsvctl completion bash >$(DESTDIR)$(PREFIX)/share/bash-completion/completions/gsvctl
	bin/gsvctl completion zsh >$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_gsvctl
	bin/gsvctl completion fish >$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/gsvctl.fish

clean:
	rm -rf bin
