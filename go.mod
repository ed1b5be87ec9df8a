module gsv

go 1.26.0

require (
	github.com/BurntSushi/toml v1.6.0
	github.com/google/go-cmp v0.7.0
	github.com/rogpeppe/go-internal v1.16.0
	github.com/spf13/pflag v1.0.9
	golang.org/x/sys v0.49.0
)

require golang.org/x/tools v0.26.0 // indirect
