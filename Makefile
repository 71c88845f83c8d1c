# One line per target; "make help" prints what each does.
.PHONY: help build web web-test test live fuzz lint bench try try-postfix drills lab-drills deps
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST)
build: web ## bin/mtawatch, one static binary
	CGO_ENABLED=0 go build -trimpath -o bin/mtawatch ./cmd/mtawatch
web: ## the dashboard, into internal/web/dist, where npm is there and its sources are newer
	@build/web
web-test: build ## the dashboard in Chromium, against the daemon on the practice MTA
	build/web test
try: build ## the practice MTA with traffic, watched, until Ctrl-C; needs nothing installed (ARGS="--for 60s" to end by itself)
	bin/mtawatch lab --watch $(ARGS)
try-postfix: ## watch a private Postfix with traffic, until Ctrl-C (ARGS="--for 30s" to end by itself)
	build/deps && go run ./test/try $(ARGS)
lab-drills: build ## break the practice MTA in every way, with a scoreboard (ARGS="--parallel 4 --json")
	bin/mtawatch lab drill --all --parallel 2 $(ARGS)
test: ## all that must hold: format, vet, tests, 5 s of each fuzz target, live tests
	build/test
live: ## the binary against real mail servers (LIVE_MESSAGES=100000 for the long run, ARGS="-run TestName")
	build/deps && go test -tags live -count=1 -timeout 30m -v ./test/live/... $(ARGS)
drills: ## fault drills on live Postfix, with a scoreboard (ARGS="-run flood -runs 3"; -list lists them)
	build/deps && go run ./test/drills $(ARGS)
fuzz: ## each fuzz target for FUZZTIME (5m)
	build/fuzz $${FUZZTIME:-5m}
lint: ## golangci-lint, pinned
	build/lint
bench: ## ratios against peers in the same run, one table at the end
	build/deps bench && go run ./bench
deps: ## install the Debian packages that tests need
	build/deps
