# What starman.toml serves: edit the release, then `gsvctl hup starman`.
my $release = 1;
sub { [200, ['Content-Type' => 'text/plain'], ["release=$release pid=$$\n"]] };
