# A release: edit it, then `gsvctl hup starman-replace`.
my $release = 1;
sub { [200, ['Content-Type' => 'text/plain'], ["release=$release\n"]] };
